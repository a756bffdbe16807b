import { deepEqual, match } from "assert";
import { join } from "node:path";
import { inFolder } from "../../folders.ts";

const MAIN = new URL("../../../core/cli/main.ts", import.meta.url).href;
const LISTEN = new URL("../../../core/cli/listen.ts", import.meta.url).href;
const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;

/** Takes until something comes on stdin. Reading blocks the thread, as loading and computing do. */
const WAIT = `console.log("listening"); Deno.stdin.readSync(new Uint8Array(1));`;

/** Runs a task that waits once, as its modules are loaded or later. Signals are sent meanwhile. */
async function started(task: string, signals: readonly Deno.Signal[], loading = WAIT) {
  let ended: { code: number; stdout: string; stderr: string } | undefined;
  await inFolder(async (folder) => {
    const script = join(folder, "task.ts");
    const slow = join(folder, "slow.ts");
    await Deno.writeTextFile(slow, loading);
    await Deno.writeTextFile(
      script,
      `import "${LISTEN}";\nimport "./slow.ts";\nimport { setImmediate } from "node:timers";\n` +
        `import { main } from "${MAIN}";\nawait main(${task});\n`,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--config", CONFIG, "--allow-env", script],
      ...{ stdin: "piped", stdout: "piped", stderr: "piped", env: { NO_COLOR: "1" } },
    }).spawn();
    const stdout = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part = await stdout.read(); !part.done; part = await stdout.read()) {
      text += part.value;
      if (text.includes("listening\n")) break;
    }
    for (const signal of signals) child.kill(signal);
    const input = child.stdin.getWriter();
    await input.write(new Uint8Array(1));
    await input.close();
    for (let part = await stdout.read(); !part.done; part = await stdout.read()) text += part.value;
    const stderr = await new Response(child.stderr).text();
    ended = { code: (await child.status).code, stdout: text, stderr };
  });
  return ended!;
}

/** A task that goes on until it is told of a signal. */
const HEARD = "while (!stop.aborted) await new Promise((resolve) => setImmediate(resolve));";

Deno.test("a signal while a task's modules are loaded is heard, whichever it is", async () => {
  const works = (waits: string) => `async (stop) => { ${waits} stop.throwIfAborted(); console.log("worked"); }`;
  deepEqual(await started(works(""), []), { code: 0, stdout: "listening\nworked\n", stderr: "" });
  for (const signals of [["SIGINT"], ["SIGTERM"], ["SIGUSR2"], ["SIGINT", "SIGTERM"]] as const) {
    const { code, stdout, stderr } = await started(works(HEARD), signals);
    deepEqual([code, stdout], [130, "listening\n"]);
    match(stderr, /^Stopped[^\n]*\.\n$/);
  }
});

Deno.test("the second signal changes nothing, the third ends the process at once", async () => {
  // A listener of its own is told of the second no sooner than the task's.
  const works = `async (stop) => {
    const second = new Promise((resolve) => Deno.addSignalListener("SIGTERM", resolve));
    ${HEARD}
    Deno.kill(Deno.pid, "SIGTERM");
    await second;
    console.log("saved");
    stop.throwIfAborted();
  }`;
  const twice = await started(works, ["SIGINT"]);
  deepEqual([twice.code, twice.stdout], [130, "listening\nsaved\n"]);
  match(twice.stderr, /^Stopped[^\n]*\.\n$/);
  const endless = `async () => { for (;;) await new Promise((resolve) => setImmediate(resolve)); }`;
  deepEqual(await started(endless, ["SIGINT", "SIGTERM", "SIGUSR2"]), { code: 130, stdout: "listening\n", stderr: "" });
});

Deno.test("a task that a signal comes too late for says so", async () => {
  const works = `async () => {
    const heard = new Promise((resolve) => Deno.addSignalListener("SIGINT", resolve));
    ${WAIT}
    await heard;
    console.log("worked");
  }`;
  const stderr = "Stopped, but everything was finished.\n";
  deepEqual(await started(works, ["SIGINT"], ""), { code: 130, stdout: "listening\nworked\n", stderr });
});

Deno.test("the process ends with its task, by the code that this has set", async () => {
  const works = `async () => { setTimeout(() => console.log("later"), 1e9); Deno.exitCode = 3; }`;
  deepEqual(await started(works, []), { code: 3, stdout: "listening\n", stderr: "" });
});
