/** What stands before a number that JSON has no name for, while it is a string. */
const MARK = "\u0001";

/** Strings, and the names that Python's json gives to numbers that JSON has none for. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;

/** Parses JSON in which Infinity, -Infinity and NaN are numbers, as Python's json writes them. @throws {SyntaxError} */
export function parsePythonJson(text: string): unknown {
  const marked = text.replace(TOKENS, (token) => token.startsWith('"') ? token : JSON.stringify(MARK + token));
  return JSON.parse(marked, (_, value) => isMarked(value) ? Number(value.slice(MARK.length)) : value);
}

/** A value as Python's json reads it, on lines of their own. */
export function pythonJson(value: unknown): string {
  const marked = JSON.stringify(
    value,
    (_, v) => typeof v === "number" && !Number.isFinite(v) ? `${MARK}${v}` : v,
    2,
  );
  return marked.replace(/"\\u0001(-?Infinity|NaN)"/g, "$1");
}

function isMarked(value: unknown): value is string {
  return typeof value === "string" && value.startsWith(MARK);
}
