import { dataEnding, parseDataFile } from "../data/data_file.ts";
import { UsageError } from "../errors/usage_error.ts";

/** The kinds of files that an option of reading says something about. */
const HEEDED = {
  header: { endings: /^(csv|tsv|txt|dat)(\.gz)?$/, kind: "a table of text" },
  transpose: { endings: /^(h5|hdf5|mat)$/, kind: "a file of HDF5" },
  size: { endings: /^(png|jpg|jpeg|webp)$/, kind: "of pictures" },
  background: { endings: /^(png|jpg|jpeg|webp)$/, kind: "of pictures" },
} as const;

/**
 * Refuses what a command line says of how a file is read that would not be heeded, as the file is of another kind.
 *
 * @param spec A file, or other data, of which nothing is known.
 * @param given What is said; `auto` says nothing.
 * @throws {UsageError}
 */
export function requireHeededReading(
  spec: string,
  given: { readonly [K in keyof typeof HEEDED]?: string | undefined },
): void {
  const file = parseDataFile(spec);
  // An option of such a name is the plugin's own.
  if (!file) return;
  const ending = file.isFolder ? undefined : dataEnding(file.path);
  for (const [name, { endings, kind }] of Object.entries(HEEDED)) {
    const value = given[name as keyof typeof HEEDED];
    if (value === undefined || value === "auto" || (ending !== undefined && endings.test(ending))) continue;
    // What a folder holds is known once it is read.
    if (file.isFolder && endings.test("png")) continue;
    throw new UsageError(`--${name} is ${value}, but ${spec} is not ${kind}. Leave it out.`);
  }
}
