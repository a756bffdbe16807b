/** What Git LFS leaves in the place of a file that was not fetched begins with this, and is not longer than a kilobyte. */
const START = "version https://git-lfs.github.com/spec/";

/** What to say of such a file, after its name. */
export const LFS_ADVICE = "is a pointer of Git LFS, not the file itself. Run git lfs pull where it was cloned, or " +
  "download the file";

/** The first bytes of a file that tell a pointer. */
export const LFS_BYTES = START.length;

/** Whether a file that begins with these bytes, or this text, stands for one that Git LFS has not fetched. */
export function isLfsPointer(start: Uint8Array | string): boolean {
  const text = typeof start === "string" ? start : String.fromCharCode(...start.subarray(0, LFS_BYTES));
  return text.startsWith(START);
}
