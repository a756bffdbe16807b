import { DataFileError, openFile, withFile } from "./data_array.ts";
import { npyRows, npyRowsOf } from "./npy.ts";
import type { StoredRows } from "./stored_rows.ts";
import { zipMembers } from "./zip.ts";

const ENDING = ".npy";

/**
 * The names of the arrays of an NPZ file, NumPy's zip archive of NPY files, in the order of the archive.
 *
 * @throws {DataFileError} If the file cannot be read or is damaged.
 */
export function npzNames(path: string): Promise<string[]> {
  return withFile(path, async (file, size) => {
    const members = await zipMembers(file, size, path);
    return members.filter(({ name }) => name.endsWith(ENDING)).map(({ name }) => name.slice(0, -ENDING.length));
  });
}

/**
 * Opens an array of an NPZ file. All of its bytes are gone through once, to check them; one that `numpy.savez` stored
 * is then read on demand, one of `numpy.savez_compressed` is held in memory.
 *
 * @param source The array's name for messages.
 * @throws {DataFileError} If the file cannot be read, is damaged, has no such array, or holds another type.
 */
export function openNpz(path: string, name: string, source: string): Promise<StoredRows> {
  return openFile(path, async (file, size) => {
    const members = await zipMembers(file, size, path), member = members.find((each) => each.name === name + ENDING);
    if (!member) throw new DataFileError(`${path} has no array ${JSON.stringify(name)}. Check its name.`);
    const begin = await member.begin();
    if (begin === undefined) {
      const rows = npyRowsOf(await member.unpack(), source);
      file[Symbol.dispose]();
      return rows;
    }
    await member.check();
    return await npyRows(file, begin, member.size, source);
  });
}
