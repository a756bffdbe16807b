import { DataFileError } from "./data_array.ts";

type Library = typeof import("h5wasm/node");
type File = InstanceType<Library["File"]>;

/** How deep groups are looked into, and how many objects are looked at. */
const MAX_DEPTH = 32, MAX_OBJECTS = 10_000;

/** Kinds of objects, as the library numbers them. */
const GROUP = 0, DATASET = 1;

/**
 * The paths of all data sets of an open HDF5 file, without the leading slash. Links that lead nowhere, in a
 * circle or to other files are passed by.
 *
 * @throws {DataFileError} If there are too many objects, or groups too deep, to look for them.
 */
export function namesOf(file: File, module: Library["Module"], path: string): string[] {
  const names: string[] = [], seen = new Set<string>();
  let groups = [""], objects = 0;
  for (let depth = 0; groups.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw tooMuch(path, `groups more than ${MAX_DEPTH} deep`);
    const next: string[] = [];
    for (const group of groups) {
      for (const key of keysOf(file, module, group)) {
        if (++objects > MAX_OBJECTS) throw tooMuch(path, `more than ${MAX_OBJECTS} objects`);
        const name = `${group}${key}`, kind = kindOf(file, module, name);
        if (kind === undefined) continue;
        if (kind.type === DATASET) names.push(name);
        // An address tells whether a group was met by another path, as in a circle of links.
        else if (!seen.has(kind.address)) {
          seen.add(kind.address);
          next.push(`${name}/`);
        }
      }
    }
    groups = next;
  }
  return names.sort((a, b) => a < b ? -1 : 1);
}

function keysOf(file: File, module: Library["Module"], group: string): string[] {
  try {
    return module.get_names(file.file_id, `/${group.replace(/\/$/, "")}`, false);
  } catch {
    return [];
  }
}

/** What an object is and where; nothing for a link that leads to no object of this file. */
function kindOf(file: File, module: Library["Module"], name: string): { type: number; address: string } | undefined {
  try {
    if ("filename" in module.get_external_link(file.file_id, `/${name}`)) return undefined;
    const type = module.get_type(file.file_id, `/${name}`);
    if (type !== GROUP && type !== DATASET) return undefined;
    return { type, address: module.create_object_reference(file.file_id, `/${name}`).join() };
  } catch {
    return undefined;
  }
}

function tooMuch(path: string, what: string): DataFileError {
  return new DataFileError(`${path} has ${what}. Name the data set that is meant, as in ${path}:group/x.`);
}
