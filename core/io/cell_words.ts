/** Words that stand for a missing value, whatever the column is. */
const MISSING = /^(na|n\/a|nan|null|\?|\.|#n\/a|<na>)$/i;

/** Words that stand for one where the other cells of the column are numbers or dates. */
const MISSING_NUMBER = /^(none|-)$/i;

/** The bytes that such words begin with, and how long they are at most. */
const FIRST = Uint8Array.from({ length: 256 }, (_, byte) => "nN?.-#<".includes(String.fromCharCode(byte)) ? 1 : 0);
const LONGEST = 4;

/** Whether bytes may be a word of {@linkcode isMissingWord}; nearly none of others are. */
export function mayBeWord(first: number, length: number): boolean {
  return length <= LONGEST && FIRST[first] === 1;
}

/** Whether a text may stand for a missing value. */
export function isMissingWord(text: string): boolean {
  return MISSING.test(text) || MISSING_NUMBER.test(text);
}

/** Whether a word stands for a missing value in any column, and not just among numbers. */
export function isMissingAnywhere(word: string): boolean {
  return MISSING.test(word);
}
