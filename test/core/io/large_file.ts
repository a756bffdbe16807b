/** Writes a file of 20 MB as a task does, to the path that it is given, and prints the error. */
import "../../../core/cli/listen.ts";
import { StorageError, writeFileAtomic } from "../../../core/io/atomic.ts";

try {
  await writeFileAtomic(Deno.args[0], new Uint8Array(20_000_000));
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  console.log(error.message);
}
