import assert from "assert";
import { HelpRequest, outcomeOf } from "../../../core/cli/errors.ts";
import { UsageError } from "../../../core/errors/usage_error.ts";
import { main } from "../../../core/cli/main.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { StorageError } from "../../../core/io/atomic.ts";
import { CheckpointError } from "../../../core/io/checkpoints.ts";
import { SafetensorsError } from "../../../core/io/safetensors.ts";

async function run(task: () => Promise<void>) {
  const seen = { stdout: "", stderr: "", code: undefined as number | string | undefined };
  await main(task, {
    stdout: (text) => seen.stdout += text,
    stderr: (text) => seen.stderr += text,
    exit: (code) => seen.code = code ?? "the task's",
  });
  return seen;
}

Deno.test("what the user can put right is one line and exit code 2", async () => {
  for (const Kind of [UserError, UsageError, StorageError, CheckpointError, SafetensorsError]) {
    const error = new Kind("first\n  second \x1b[31mred");
    assert.equal(error.name, Kind.name);
    const seen = await run(() => Promise.reject(error));
    assert.deepEqual(seen, { stdout: "", stderr: "error: first second \ufffd[31mred\n", code: 2 });
  }
});

Deno.test("of an error and of another on the way out, as on a full disk, the first is told", () => {
  const first = new StorageError("The disk is full."), last = new StorageError("It is still full.");
  assert.deepEqual(outcomeOf(new SuppressedError(last, first)), { code: 2, text: "error: The disk is full.\n" });
});

Deno.test("anything else shows its stack and exits with 1", async () => {
  const seen = await run(() => Promise.reject(new RangeError("a slip", { cause: new Error("the root") })));
  assert.equal(seen.code, 1);
  assert.equal(seen.stdout, "");
  assert.match(seen.stderr, /^error: Something unexpected/);
  assert.match(seen.stderr, /RangeError: a slip\n.*errors_test\.ts/s);
  assert.match(seen.stderr, /the root/);
  assert.equal(outcomeOf("a string").code, 1);
});

Deno.test("help goes to stdout with exit code 0", async () => {
  const seen = await run(() => Promise.reject(new HelpRequest("Usage: …\n")));
  assert.deepEqual(seen, { stdout: "Usage: …\n", stderr: "", code: 0 });
});

Deno.test("a task that succeeds ends with its own exit code", async () => {
  assert.deepEqual(await run(() => Promise.resolve()), { stdout: "", stderr: "", code: "the task's" });
});

Deno.test("a missing permission is no stack", () => {
  const { code, text } = outcomeOf(new Deno.errors.NotCapable("Requires read access"));
  assert.equal(code, 2);
  assert.equal(text.split("\n").length, 2);
});
