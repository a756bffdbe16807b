/** Whether a name still leads to the file that was opened by it. */
export async function isSameFile(file: Deno.FsFile, name: string): Promise<boolean> {
  const held = await file.stat();
  try {
    // Of a link that has come between, not of what it leads to.
    const named = await Deno.lstat(name);
    return named.dev === held.dev && named.ino === held.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
