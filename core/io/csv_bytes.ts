const LF = 10, CR = 13, SPACE = 32, TAB = 9;

/** The end of a cell without the spaces and tabs before it. */
export function trimmedEnd(bytes: Uint8Array, begin: number, end: number): number {
  while (end > begin && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  return end;
}

/** The first byte after a line; −1 where it is not whole. */
export function lineEnd(bytes: Uint8Array, begin: number, isLast: boolean): number {
  for (let at = begin; at < bytes.length; at++) {
    if (bytes[at] === LF) return at + 1;
    if (bytes[at] === CR && (at + 1 < bytes.length || isLast)) return bytes[at + 1] === LF ? at + 2 : at + 1;
  }
  return isLast ? bytes.length : -1;
}

/** Whether a text has more than a header: of many columns a line may be long. */
export function hasTwoLines(bytes: Uint8Array): boolean {
  return [LF, CR].some((end) => {
    const first = bytes.indexOf(end);
    return first >= 0 && bytes.indexOf(end, first + 1) >= 0;
  });
}

/** Whether bytes, which may end within a character, are UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
