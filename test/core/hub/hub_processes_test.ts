import assert from "assert";
import { fileURLToPath } from "node:url";
import { inFolder, namesIn } from "../../folders.ts";
import { serveHub } from "./hub_server.ts";
import { COMMIT, ID, MODELS, WEIGHTS } from "./served_model.ts";

/** Runs a process that fetches the model with these permissions and environment, and no other. */
async function runProcess(permissions: string[], env: Record<string, string>): Promise<{ code: number; text: string }> {
  const script = fileURLToPath(new URL("fetch_model.ts", import.meta.url));
  const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
  // Deno's own settings stay, as it may have to fetch a package.
  const own = Object.entries(Deno.env.toObject()).filter(([name]) =>
    /^(DENO|NPM|NODE|SSL|HTTPS?)_|_PROXY$/i.test(name)
  );
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", "--quiet", "--no-prompt", "--config", config, ...permissions, script, ID],
    clearEnv: true,
    env: {
      ...Object.fromEntries(own),
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: await denoDir(),
      NO_COLOR: "1",
      ...env,
    },
  });
  const { code, stdout, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(code === 0 ? stdout : stderr) };
}

Deno.test("settings come from the environment, and two processes share the cache", () =>
  inFolder(async (folder) => {
    await using hub = serveHub(MODELS, { store: () => ({ pieceBytes: 20_000 }) });
    const run = (env: Record<string, string>) =>
      runProcess(["--allow-all"], { HF_HOME: folder, HF_ENDPOINT: hub.url, ...env });
    const both = await Promise.all([run({ HF_TOKEN: "hf_secret" }), run({ HF_TOKEN: "hf_secret" })]);
    assert.deepEqual(both.map(({ code }) => code), [0, 0], both[0].text + both[1].text);
    assert.equal(both[0].text, both[1].text);
    assert.ok(both[0].text.startsWith(`${folder}/hub/models--google--ddpm-cifar10-32/snapshots/`));
    assert.equal(hub.store.seen.length, 1);
    assert.equal(hub.hub.seen[0].headers.get("authorization"), "Bearer hf_secret");

    const before = hub.hub.seen.length;
    const offline = await run({ HF_HUB_OFFLINE: "1" });
    assert.deepEqual([offline.code, offline.text, hub.hub.seen.length], [0, both[0].text, before]);
    const elsewhere = await run({ HF_HUB_CACHE: `${folder}/other`, HF_HUB_OFFLINE: "1" });
    assert.match(elsewhere.text, /HubError: The cache .*other does not have all of/);
  }));

Deno.test("where no links can be made, files are copied; without permission for the network, one line", () =>
  inFolder(async (folder) => {
    await using hub = serveHub(MODELS);
    // Deno makes links only for programs that may write everywhere.
    const files = ["--allow-env", "--allow-sys", `--allow-read=${folder}`, `--allow-write=${folder}`];
    const env = { HF_HUB_CACHE: folder, HF_ENDPOINT: hub.url };
    const refused = await runProcess(files, env);
    assert.match(refused.text, /Deno was not given permission to reach 127\.0\.0\.1:\d+\. Run it with --allow-net\./);
    const { code, text } = await runProcess([...files, "--allow-net=127.0.0.1"], env);
    assert.equal(code, 0, text);
    const info = await Deno.lstat(text.trim());
    assert.deepEqual([info.isFile, info.size], [true, WEIGHTS.length]);
    assert.equal((await namesIn(`${folder}/models--google--ddpm-cifar10-32/snapshots/${COMMIT}`)).length, 3);
  }));

/** Where Deno keeps its packages, so that a process with an environment of its own finds them. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}
