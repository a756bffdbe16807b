/** The places of columns that are named, or said by their number from 0 where no column has such a name. */
export function placesOf(
  said: readonly string[],
  names: readonly string[] | undefined,
  width: number,
): number[] {
  return said.flatMap((name) => placeOf(name, names, width) ?? []);
}

/** The place of one column; nothing where there is none. */
export function placeOf(name: string, names: readonly string[] | undefined, width: number): number | undefined {
  const named = names?.indexOf(name) ?? -1;
  if (named >= 0) return named;
  return /^\d+$/.test(name) && Number(name) < width ? Number(name) : undefined;
}

/** A column's name as a message shows it, on one line. */
export function shownName(name: string): string {
  return name.slice(0, 40).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}
