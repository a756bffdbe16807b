import assert from "assert";
import { ArchiveError, filesOfTarGz } from "../../../core/io/tar.ts";
import { inFolder } from "../../folders.ts";
import { bytesOf, gzip, type Member, tarOf } from "./archives.ts";

const LIMIT = 1_000_000;

/** The files of an archive with these members, with their contents as text. */
async function filesOf(path: string, bytes: Uint8Array): Promise<Record<string, string>> {
  await Deno.writeFile(path, bytes);
  const files: Record<string, string> = {};
  for await (const file of filesOfTarGz(path, LIMIT)) {
    if (file.path === "skipped") continue;
    const contents = new Uint8Array(file.size);
    await file.read(contents);
    files[file.path] = new TextDecoder().decode(contents);
  }
  return files;
}

async function refuses(bytes: Uint8Array, pattern: RegExp): Promise<void> {
  await inFolder(async (folder) => {
    await assert.rejects(filesOf(`${folder}/a.tar.gz`, bytes), (error) => {
      assert.ok(error instanceof ArchiveError, String(error));
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  });
}

async function archiveOf(...members: Member[]): Promise<Uint8Array> {
  return await gzip(await tarOf(...members));
}

Deno.test("files are read or skipped, in folders or not", () =>
  inFolder(async (folder) => {
    const bytes = await archiveOf(
      { name: "data/", type: "directory" },
      { name: "skipped", contents: "x".repeat(3000) },
      { name: "./data/a", contents: "one" },
      { name: "data/empty", contents: "" },
      { name: "data/" + "long/".repeat(40) + "b", contents: "two".repeat(1000) },
    );
    assert.deepEqual(await filesOf(`${folder}/a.tar.gz`, bytes), {
      "data/a": "one",
      "data/empty": "",
      ["data/" + "long/".repeat(40) + "b"]: "two".repeat(1000),
    });
  }));

Deno.test("a file whose size is no number is refused, and not waited for", async () => {
  const bytes = await tarOf({ name: "a", contents: "one" });
  bytes[124] = 0xcd;
  bytes.fill(32, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((sum, byte) => sum + byte, 0);
  bytes.set(bytesOf(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  await refuses(await gzip(bytes), /holds "a" of no known size\. It is damaged/);
});

Deno.test("a caller that stops early leaves no file open", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.tar.gz`;
    await Deno.writeFile(path, await archiveOf({ name: "a", contents: "1" }, { name: "b", contents: "2" }));
    for await (const file of filesOfTarGz(path, LIMIT)) {
      assert.equal(file.path, "a");
      break;
    }
  }));

Deno.test("an archive that would write elsewhere is refused", async () => {
  for (const name of ["../a", "data/../../a", "/etc/a", "..\\a", "C:\\a"]) {
    await refuses(await archiveOf({ name, contents: "x" }), /a path out of the folder/);
  }
  for (const type of ["symlink", "link"] as const) {
    await refuses(await archiveOf({ name: "a", type, linkname: "/etc/passwd" }), /holds the (sym)?link "a"/);
  }
});

Deno.test("an archive that unpacks to too much is refused before it is in memory", async () => {
  const bomb = await gzip(new Uint8Array(8_000_000));
  await refuses(bomb, /unpacks to more than the 1000000 bytes/);
  const member = await archiveOf({ name: "skipped", contents: "\0".repeat(4_000_000) });
  await refuses(member, /unpacks to more than the 1000000 bytes/);
});

Deno.test("what is no archive is refused, and a missing one", async () => {
  await refuses(new Uint8Array(), /is not a whole \.tar\.gz archive/);
  await refuses(bytesOf("<!doctype html>"), /is not a whole \.tar\.gz archive/);
  await refuses(await gzip(bytesOf("no archive ".repeat(200))), /is not a whole \.tar\.gz archive/);
  await inFolder(async (folder) => {
    const files = filesOfTarGz(`${folder}/none.tar.gz`, LIMIT);
    await assert.rejects(files.next(), /there is no such file/);
  });
});

Deno.test("an archive cut anywhere is refused", async () => {
  const whole = await archiveOf({ name: "a", contents: "one".repeat(300) }, { name: "b", contents: "two" });
  for (let length = 0; length < whole.length; length += 7) {
    await refuses(whole.subarray(0, length), /is not a whole \.tar\.gz archive/);
  }
});

Deno.test("a damaged archive is read right or refused", () =>
  inFolder(async (folder) => {
    const members = [{ name: "a", contents: "one".repeat(300) }, { name: "data/b", contents: "two" }];
    const tar = await tarOf(...members), packed = await gzip(tar);
    let seed = 1;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (let i = 0; i < 300; i++) {
      const damaged = (i % 2 === 0 ? tar : packed).slice();
      for (let n = random(3); n >= 0; n--) damaged[random(damaged.length)] = random(256);
      const bytes = i % 2 === 0 ? await gzip(damaged) : damaged;
      try {
        await filesOf(`${folder}/a.tar.gz`, bytes);
      } catch (error) {
        assert.ok(error instanceof ArchiveError, String(error));
      }
    }
  }));
