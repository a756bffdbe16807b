import assert from "assert";
import { basename } from "node:path";
import {
  StorageError,
  storageError,
  tellsOfFullDisk,
  writeFileAtomic,
  writeFolderAtomic,
  writePartsAtomic,
} from "../../../core/io/atomic.ts";
import { isTemporaryName, removeLeftovers, Temporary } from "../../../core/io/temporary.ts";
import { fileURLToPath } from "node:url";
import { inFolder, namesIn } from "../../folders.ts";

const LARGE_FILE = fileURLToPath(new URL("large_file.ts", import.meta.url));

function isStorageError(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StorageError, String(error));
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"));
    return true;
  };
}

Deno.test("a file is written, replaced, and its folders made", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a/b/report.json`;
    await writeFileAtomic(path, "first");
    await writeFileAtomic(path, new TextEncoder().encode("second ✓"));
    assert.equal(await Deno.readTextFile(path), "second ✓");
    assert.deepEqual(await namesIn(`${folder}/a/b`), ["report.json"]);
  }));

Deno.test("a file of parts is there once all of them are, or as it was", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a/x.csv`;
    async function* parts(fails: boolean) {
      yield new TextEncoder().encode("one,");
      // Nothing is there before the last part.
      assert.deepEqual((await namesIn(`${folder}/a`)).filter((name) => !isTemporaryName(name)), fails ? ["x.csv"] : []);
      if (fails) throw new RangeError("no more");
      yield new TextEncoder().encode("two");
    }
    await writePartsAtomic(path, parts(false));
    assert.equal(await Deno.readTextFile(path), "one,two");
    await assert.rejects(writePartsAtomic(path, parts(true)), RangeError);
    assert.equal(await Deno.readTextFile(path), "one,two");
    assert.deepEqual(await namesIn(`${folder}/a`), ["x.csv"]);
    await assert.rejects(writePartsAtomic(`${path}/y`, parts(true)), isStorageError(/not a folder/));
  }));

Deno.test("a symbolic link stays a link", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/target`, "old");
    await Deno.symlink(`${folder}/target`, `${folder}/link`);
    await writeFileAtomic(`${folder}/link`, "new");
    assert.equal(await Deno.readTextFile(`${folder}/target`), "new");
    assert.ok((await Deno.lstat(`${folder}/link`)).isSymlink);
  }));

Deno.test("what cannot be replaced by a file is refused and left alone", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/inner`);
    await Deno.writeTextFile(`${folder}/file`, "kept");
    await assert.rejects(writeFileAtomic(`${folder}/inner`, ""), isStorageError(/inner: it is a folder\. Choose/));
    await assert.rejects(writeFileAtomic("/dev/null", ""), isStorageError(/not a regular file/));
    await assert.rejects(writeFileAtomic(`${folder}/file/x`, ""), isStorageError(/file\/x: .*not a folder\. Choose/));
    await assert.rejects(writeFileAtomic(`${folder}/${"n".repeat(300)}`, ""), isStorageError(/the name is too long/));
    assert.deepEqual(await namesIn(folder), ["file", "inner"]);
    assert.equal(await Deno.readTextFile(`${folder}/file`), "kept");
  }));

Deno.test("what a killed process left goes with the first write to its folder, and what is being written stays", () =>
  inFolder(async (folder) => {
    const [file, inner, written] = ["0", "1", "2"].map((digit) => `${folder}/.tmp-4294967295-${digit.repeat(12)}`);
    await Promise.all([file, written].map((path) => Deno.writeTextFile(path, "torn")));
    await Deno.mkdir(inner);
    await Deno.writeTextFile(`${inner}/model.safetensors`, "torn");
    using other = await Deno.open(written, { read: true, write: true });
    await other.lock(true);
    await using mine = await Temporary.folder(folder);
    await writeFileAtomic(`${folder}/figure.svg`, "new");
    assert.deepEqual(await namesIn(folder), [basename(mine.path), basename(written), "figure.svg"].sort());
  }));

Deno.test({
  name: "a folder that another process took for left, as it was not locked yet, is made again",
  ignore: Deno.build.os === "windows", // Whose folders have no locks.
  fn: () =>
    inFolder(async (folder) => {
      const { mkdir, open } = Deno;
      // The other process comes at the worst moments, one after another: before the folder is opened, and before it is locked.
      let moment = 0;
      const strike = (at: number) => moment === at ? (moment++, removeLeftovers(folder)) : undefined;
      Deno.mkdir = async (path, options) => {
        await mkdir(path, options);
        if (isTemporaryName(basename(String(path)))) await strike(0);
      };
      Deno.open = async (path, options) => {
        const file = await open(path, options);
        if (options === undefined) await strike(1);
        return file;
      };
      try {
        await writeFolderAtomic(`${folder}/run`, { "config.json": "{}" });
      } finally {
        Object.assign(Deno, { mkdir, open });
      }
      assert.equal(moment, 2);
      assert.deepEqual(await namesIn(folder), ["run"]);
      assert.deepEqual(await namesIn(`${folder}/run`), ["config.json"]);
    }),
});

Deno.test("a folder appears whole, and never over another", () =>
  inFolder(async (folder) => {
    const path = `${folder}/runs/one`;
    await writeFolderAtomic(path, { "a.txt": "a", "b.bin": new Uint8Array([1, 2]) });
    assert.deepEqual(await namesIn(path), ["a.txt", "b.bin"]);
    await assert.rejects(writeFolderAtomic(path, { "c": "" }), isStorageError(/it exists already\. Remove it first/));
    await assert.rejects(writeFolderAtomic(`${folder}/runs/two`, { "ok": "", "../escape": "" }), TypeError);
    assert.deepEqual(await namesIn(`${folder}/runs`), ["one"]);
    assert.deepEqual(await namesIn(path), ["a.txt", "b.bin"]);
  }));

Deno.test("a full disk is reported in words", () => {
  const error = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
  const { message } = storageError("x.svg", error);
  assert.match(message, /^Cannot write x\.svg: the disk is full\. Free some space/);
  assert.ok(tellsOfFullDisk(`seed-1 (${message})`));
  assert.ok(!tellsOfFullDisk(storageError("x", Object.assign(new Error("no"), { code: "EACCES" })).message));
});

Deno.test("a file that is larger than the system allows is reported in words, though Deno gives no code for it", () => {
  const error = new Error("File too large (os error 27)");
  assert.match(
    storageError("x.svg", error).message,
    /^Cannot write x\.svg: the file is larger than the system allows\./,
  );
  assert.match(storageError("x", new Error("Odd (os error 99)")).message, /^Cannot write x: the system says "Odd \(os/);
});

Deno.test({
  name: "a file larger than the process's limit is an error of one line, and leaves what was there",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/large.bin`;
      await Deno.writeTextFile(path, "kept");
      // In blocks of 512 or 1024 bytes. Deno's own caches, which it writes before the task listens, are far smaller.
      const limited = ["-c", 'ulimit -f 16000; exec "$0" "$@"', Deno.execPath()];
      const { code, stdout, stderr } = await new Deno.Command("sh", {
        args: [...limited, "run", "--quiet", "-RW", "--no-config", "--no-code-cache", LARGE_FILE, path],
        env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
      }).output();
      const printed = new TextDecoder().decode(stdout);
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.match(printed, /^Cannot write \S+large\.bin: the file is larger than [^\n]*ulimit -f[^\n]*\n$/);
      assert.equal(await Deno.readTextFile(path), "kept");
      assert.deepEqual(await namesIn(folder), ["cache", "large.bin"]);
    }),
});

Deno.test("errors that are not the system's pass through", () => {
  const error = new RangeError("mine");
  assert.equal(storageError("x", error), error);
});

Deno.test("temporary names are recognised, others are not", () => {
  assert.ok(isTemporaryName(".tmp-12-0123456789ab"));
  for (const name of ["000160", ".tmp", ".tmp-x", "a.tmp-12-0123456789ab"]) assert.ok(!isTemporaryName(name));
});
