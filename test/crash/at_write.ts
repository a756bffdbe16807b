/**
 * Lists all that a task changes on the disk, by name, and sends its process signals before, within or after one of these
 * writes. `deno run --preload` loads this before the task's own script, so that the program needs no hook for it.
 *
 * What node:fs offers goes through Deno's functions, but for the promises of `rmdir`. HDF5 files are written in memory
 * first, and ONNX Runtime writes none.
 */
import { promises } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WRITE_PLAN, writeLine, type WritePlan } from "./write_plan.ts";

type Arguments = readonly unknown[];
type Call = (...args: Arguments) => unknown;

/** Half of what a write is given, and what is left of it where the caller does not see to that. */
interface Halves {
  readonly first: Arguments;
  readonly rest?: Arguments;
}

const { list, at, when, signals = [] } = JSON.parse(Deno.env.get(WRITE_PLAN)!) as WritePlan;
const lines = Deno.openSync(list, { create: true, append: true }), addLine = lines.writeSync.bind(lines);
const paths = new WeakMap<object, string>();
let count = 0;

function strike(): void {
  for (const signal of signals) Deno.kill(Deno.pid, signal);
}

/**
 * Puts a function in place of one that changes something.
 *
 * @param nameOf What a call does; nothing for one that changes nothing.
 * @param halvesOf Halves a call.
 */
function intercept(
  owner: object,
  key: string,
  nameOf: (self: unknown, args: Arguments) => string | undefined,
  halvesOf?: (args: Arguments) => Halves,
): void {
  const original = Reflect.get(owner, key) as Call;
  Reflect.set(owner, key, function (this: unknown, ...args: Arguments) {
    const call = (given: Arguments) => Reflect.apply(original, this, given);
    const name = nameOf(this, args);
    if (name === undefined) return call(args);
    addLine(new TextEncoder().encode(writeLine({ name, hasParts: halvesOf !== undefined })));
    if (++count !== at) return call(args);
    const halves = when === "within" ? halvesOf?.(args) : undefined;
    if (!halves && when !== "after") strike();
    const end = (result: unknown) => {
      if (halves || when === "after") strike();
      return halves?.rest ? call(halves.rest) : result;
    };
    const result = call(halves?.first ?? args);
    return result instanceof Promise ? result.then(end) : end(result);
  });
}

/** A path as it is told: from the working folder on, and without what is drawn anew each time. */
function shown(path: unknown): string {
  const full = resolve(path instanceof URL ? fileURLToPath(path) : String(path));
  return relative(Deno.cwd(), full).replaceAll(/\.tmp-\d+-[0-9a-f]+/g, ".tmp-…") || ".";
}

const first = (key: string) => (_: unknown, [path]: Arguments) => `${key} ${shown(path)}`;
const both = (key: string) => (_: unknown, [from, to]: Arguments) => `${key} ${shown(from)} -> ${shown(to)}`;

for (const key of ["mkdir", "remove", "truncate", "chmod", "chown", "utime"]) {
  for (const name of [key, `${key}Sync`]) intercept(Deno, name, first(key));
}
for (const key of ["rename", "link", "symlink", "copyFile"]) {
  for (const name of [key, `${key}Sync`]) intercept(Deno, name, both(key));
}
intercept(promises, "rmdir", first("rmdir"));

/** A whole file's contents in halves: the second is added to the first. */
function halvesOfFile([path, contents, options]: Arguments): Halves {
  const middle = (contents as string | Uint8Array).length >> 1;
  const parts = typeof contents === "string"
    ? [contents.slice(0, middle), contents.slice(middle)]
    : [(contents as Uint8Array).subarray(0, middle), (contents as Uint8Array).subarray(middle)];
  return { first: [path, parts[0], options], rest: [path, parts[1], { ...options as object, append: true }] };
}

for (const key of ["writeFile", "writeTextFile"]) {
  for (const name of [key, `${key}Sync`]) intercept(Deno, name, first(key), halvesOfFile);
}

function remember<T>(opened: T, path: unknown): T {
  if (typeof opened === "object" && opened !== null) paths.set(opened, shown(path));
  return opened;
}

for (const name of ["open", "openSync"]) {
  const original = Reflect.get(Deno, name) as Call;
  Reflect.set(Deno, name, (...args: Arguments) => {
    const opened = original(...args);
    return opened instanceof Promise ? opened.then((file) => remember(file, args[0])) : remember(opened, args[0]);
  });
  const changes = (options: unknown) => {
    const { write, append, create, createNew } = (options ?? {}) as Deno.OpenOptions;
    return write || append || create || createNew;
  };
  intercept(Deno, name, (_, [path, options]) => changes(options) ? `open ${shown(path)}` : undefined);
}

const file = (key: string) => (self: unknown) => `${key} ${paths.get(self as object) ?? "a file"}`;
// Who writes to a file is told how much was written, and goes on with the rest.
const half = ([bytes]: Arguments): Halves => {
  const whole = bytes as Uint8Array;
  return { first: [whole.subarray(0, Math.ceil(whole.length / 2))] };
};
for (const name of ["write", "writeSync"]) intercept(Deno.FsFile.prototype, name, file("write"), half);
for (const key of ["sync", "syncData", "truncate"]) {
  for (const name of [key, `${key}Sync`]) intercept(Deno.FsFile.prototype, name, file(key));
}
