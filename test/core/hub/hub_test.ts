import assert from "assert";
import { fileURLToPath } from "node:url";
import type { UserError } from "../../../core/errors/user_error.ts";
import { fetchModel, findModelFiles, HubError, type HubOptions, locateModel } from "../../../core/hub/mod.ts";
import { isModelName, parseModelId } from "../../../core/hub/model_id.ts";
import { DownloadError, NetworkError } from "../../../core/io/download.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { someBytes } from "../io/file_server.ts";
import { type HubFaults, type ServedModel, serveHub } from "./hub_server.ts";

const ID = "google/ddpm-cifar10-32";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const CONFIG = bytesOf('{"_class_name": "UNet2DModel"}');
const SCHEDULER = bytesOf('{"num_train_timesteps": 1000}');
const WEIGHTS = someBytes(200_000);

const MODEL: ServedModel = {
  commit: COMMIT,
  files: {
    "README.md": bytesOf("A model."),
    "config.json": CONFIG,
    "scheduler_config.json": SCHEDULER,
    "diffusion_pytorch_model.bin": someBytes(150_000, 3),
    "diffusion_pytorch_model.safetensors": WEIGHTS,
    "samples.png": someBytes(50_000, 5),
  },
};
const MODELS = { [`${ID}@main`]: MODEL };

/** Runs a test against a hub with a cache of its own. */
function withHub(
  models: Readonly<Record<string, ServedModel>>,
  faults: HubFaults,
  test: (hub: ReturnType<typeof serveHub>, options: HubOptions & { cache: string }) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    await using hub = serveHub(models, faults);
    await test(hub, { endpoint: hub.url, cache: `${folder}/hub`, offline: false, token: "hf_secret", pause: 1 });
  });
}

async function fails(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => UserError,
  pattern: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof type, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n|secret/);
    return true;
  });
}

Deno.test("the files that are needed come from the hub, and then from the cache", () =>
  withHub(MODELS, {}, async ({ hub, store }, options) => {
    const seen = new Map<string, number | undefined>();
    const model = await fetchModel(ID, { ...options, onProgress: ({ file, total }) => seen.set(file, total) });
    assert.deepEqual([model.id, model.commit], [ID, COMMIT]);
    assert.deepEqual(await Deno.readFile(model.config), CONFIG);
    assert.deepEqual(await Deno.readFile(model.scheduler ?? ""), SCHEDULER);
    assert.deepEqual(await Deno.readFile(model.weights), WEIGHTS);
    assert.match(model.weights, /\.safetensors$/);
    assert.deepEqual([...seen], [
      ["config.json", CONFIG.length],
      ["scheduler_config.json", SCHEDULER.length],
      ["diffusion_pytorch_model.safetensors", WEIGHTS.length],
    ]);

    // The hub is told who asks, the store is not.
    assert.ok(hub.seen.every(({ headers }) => headers.get("authorization") === "Bearer hf_secret"));
    assert.ok(store.seen.every(({ headers }) => headers.get("authorization") === null));
    assert.equal(store.seen.length, 1);

    // The layout is that of the Python client.
    const folder = `${options.cache}/models--google--ddpm-cifar10-32`;
    assert.equal(await Deno.readTextFile(`${folder}/refs/main`), COMMIT);
    assert.deepEqual(await namesIn(`${folder}/snapshots/${COMMIT}`), [
      "config.json",
      "diffusion_pytorch_model.safetensors",
      "scheduler_config.json",
    ]);
    const blobs = await namesIn(`${folder}/blobs`);
    assert.deepEqual(blobs.map((name) => name.length).sort(), [40, 40, 64]);
    const link = await Deno.readLink(`${folder}/snapshots/${COMMIT}/config.json`);
    assert.equal(link, `../../blobs/${blobs.find((name) => link.endsWith(name))}`);

    const before = hub.seen.length;
    assert.deepEqual(await fetchModel(ID, options), model);
    assert.deepEqual([hub.seen.length - before, store.seen.length], [1, 1]);
    assert.deepEqual(await fetchModel(ID, { ...options, offline: true, endpoint: "http://127.0.0.1:1" }), model);
    assert.deepEqual(await fetchModel(`${ID}@${COMMIT}`, { ...options, offline: true }), model);
  }));

Deno.test("a pipeline's network, .bin weights and other revisions are found", () => {
  const pipeline = {
    commit: "abc",
    files: {
      "model_index.json": bytesOf("{}"),
      "unet/config.json": CONFIG,
      "unet/diffusion_pytorch_model.bin": WEIGHTS,
      "scheduler/scheduler_config.json": SCHEDULER,
    },
  };
  const bare = { commit: "def", files: { "config.json": CONFIG, "diffusion_pytorch_model.bin": WEIGHTS } };
  return withHub(
    { "a/pipeline@main": pipeline, "a/pipeline@v1.0": bare, "bare@refs/pr/1": bare },
    {},
    async (_, options) => {
      const main = await fetchModel("a/pipeline", options);
      assert.match(main.config, /snapshots.abc.unet.config\.json$/);
      assert.match(main.weights, /unet.diffusion_pytorch_model\.bin$/);
      assert.match(main.scheduler ?? "", /scheduler.scheduler_config\.json$/);
      for (
        const [name, more] of [["a/pipeline@v1.0", {}], ["a/pipeline", { revision: "v1.0" }], [
          "bare@refs/pr/1",
          {},
        ]] as const
      ) {
        const model = await fetchModel(name, { ...options, ...more });
        assert.deepEqual([model.commit, model.scheduler], ["def", undefined]);
        assert.deepEqual(await fetchModel(name, { ...options, ...more, offline: true }), model);
      }
    },
  );
});

const SHARDS = [
  "diffusion_pytorch_model-00001-of-00002.safetensors",
  "diffusion_pytorch_model-00002-of-00002.safetensors",
];
const INDEX = "diffusion_pytorch_model.safetensors.index.json";
const indexOf = (...names: unknown[]) =>
  bytesOf(JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [`w${i}`, name])) }));

Deno.test("the parts that an index names come from the hub, and are found in the cache", () => {
  const files = {
    "unet/config.json": CONFIG,
    [`unet/${INDEX}`]: indexOf(SHARDS[1], SHARDS[0], SHARDS[1]),
    [`unet/${SHARDS[0]}`]: WEIGHTS,
    [`unet/${SHARDS[1]}`]: someBytes(300, 4),
    "scheduler/scheduler_config.json": SCHEDULER,
  };
  return withHub({ [`${ID}@main`]: { commit: COMMIT, files } }, {}, async (_, options) => {
    const model = await fetchModel(ID, options);
    assert.match(model.weights, /unet.diffusion_pytorch_model\.safetensors\.index\.json$/);
    assert.deepEqual(await Promise.all(model.shards.map((path) => Deno.readFile(path))), [WEIGHTS, someBytes(300, 4)]);
    assert.deepEqual(await fetchModel(ID, { ...options, offline: true }), model);
    // The network's folder alone knows the scheduler beside it.
    const alone = await findModelFiles(model.config.replace(/.config\.json$/, ""));
    assert.deepEqual([alone.shards, alone.scheduler], [model.shards, model.scheduler]);
    await Deno.remove(model.shards[1]);
    await fails(fetchModel(ID, { ...options, offline: true }), HubError, /does not have all of google/);
    await fails(findModelFiles(`${model.config}/..`), HubError, /names 1 file that is not there, such as .*00002-of-/);
  });
});

Deno.test("an index is trusted with nothing but the names of files beside it", async () => {
  const files = { "config.json": CONFIG, [SHARDS[0]]: WEIGHTS };
  const cases: [Uint8Array<ArrayBuffer>, RegExp][] = [
    [
      indexOf("../../other.bin"),
      /index\.json names "\.\.\/\.\.\/other\.bin", expected \.safetensors or \.bin files beside/,
    ],
    [indexOf("/etc/x.bin"), /names "\/etc\/x\.bin"/],
    [indexOf("config.json"), /names "config\.json"/],
    [indexOf(7), /names 7, expected/],
    [
      indexOf(SHARDS[0], SHARDS[1]),
      /names diffusion_pytorch_model-00002-of-00002\.safetensors, which the model does not have/,
    ],
    [indexOf(...Array.from({ length: 300 }, (_, i) => `x${i}.bin`)), /names 300 files, but at most 256 are read/],
    [indexOf(), /has no weight_map/],
    [bytesOf("[]"), /has no weight_map/],
  ];
  for (const [index, pattern] of cases) {
    const model = { commit: COMMIT, files: { ...files, [INDEX]: index } };
    await withHub({ [`${ID}@main`]: model }, {}, async (_, options) => {
      await fails(fetchModel(ID, options), HubError, pattern);
    });
  }
});

Deno.test("plain weights are taken before a variant, one variant with a note, and of several none", () =>
  inFolder(async (folder) => {
    const stem = "diffusion_pytorch_model", write = (name: string) => Deno.writeFile(`${folder}/${name}`, WEIGHTS);
    await Deno.writeFile(`${folder}/config.json`, CONFIG);
    await write(`${stem}.fp16.safetensors`);
    await write(`${stem}.fp16.bin`);
    const { weights, notes } = await findModelFiles(folder);
    assert.equal(weights, `${folder}/${stem}.fp16.safetensors`);
    assert.deepEqual(notes, [`weights: ${stem}.fp16.safetensors, the variant fp16, as there is no plain file`]);
    await write(`${stem}.non_ema.bin`);
    await fails(
      locateModel(folder),
      HubError,
      /has variants of its weights and no plain ones: .*\.fp16\.safetensors, .*\.non_ema\.bin\. Name one of these files/,
    );
    // A file of weights that is named is taken, as it is asked for; not one of several parts.
    const named = await locateModel(`${folder}/${stem}.non_ema.bin`);
    assert.deepEqual([named.config, named.shards, named.notes], [
      `${folder}/config.json`,
      [`${folder}/${stem}.non_ema.bin`],
      [],
    ]);
    await write(`${stem}-00001-of-00002.bin`);
    await fails(
      locateModel(`${folder}/${stem}-00001-of-00002.bin`),
      HubError,
      /is one of several parts\. Name the folder/,
    );
    await Deno.remove(`${folder}/${stem}-00001-of-00002.bin`);
    await write(`${stem}.bin`);
    const plain = await findModelFiles(folder);
    assert.deepEqual([plain.weights, plain.notes], [`${folder}/${stem}.bin`, []]);
    for (const name of [`${stem}.fp16.safetensors`, `${stem}.fp16.bin`, `${stem}.non_ema.bin`, `${stem}.bin`]) {
      await Deno.remove(`${folder}/${name}`);
    }
    // The index of a variant, by either name; its parts are no variants.
    for (const name of [`${stem}.safetensors.index.fp16.json`, `${stem}.fp16.safetensors.index.json`]) {
      const part = `${stem}.fp16-00001-of-00001.safetensors`;
      await Deno.writeFile(`${folder}/${name}`, indexOf(part));
      await write(part);
      const { shards, notes } = await findModelFiles(folder);
      assert.deepEqual([shards, notes.length], [[`${folder}/${part}`], 1]);
      await Deno.remove(`${folder}/${name}`);
    }
  }));

Deno.test("a scheduler lies beside a network only where the folder is part of a pipeline", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/scheduler`);
    await Deno.writeFile(`${folder}/scheduler/scheduler_config.json`, SCHEDULER);
    for (const name of ["unet", "network"]) {
      await Deno.mkdir(`${folder}/${name}`);
      await Deno.writeFile(`${folder}/${name}/config.json`, CONFIG);
      await Deno.writeFile(`${folder}/${name}/diffusion_pytorch_model.bin`, WEIGHTS);
    }
    const schedulerOf = async (name: string) => (await findModelFiles(`${folder}/${name}`)).scheduler;
    const beside = `${folder}/scheduler/scheduler_config.json`;
    assert.deepEqual([await schedulerOf("unet"), await schedulerOf("network")], [beside, undefined]);
    await Deno.writeTextFile(`${folder}/model_index.json`, "{}");
    assert.equal(await schedulerOf("network"), beside);
    await Deno.writeFile(`${folder}/unet/scheduler_config.json`, SCHEDULER);
    assert.equal(await schedulerOf("unet"), `${folder}/unet/scheduler_config.json`);
  }));

Deno.test("a description that is larger or nests more deeply than any is refused before it is parsed", async () => {
  const deep = `{"sha":"abc","siblings":${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}}`;
  for (
    const [text, pattern] of [
      [deep, /description of google\/ddpm-cifar10-32 nests more deeply than any valid one/],
      [`{"sha":"abc","siblings":[${"{},".repeat(900_000)}{}]}`, /holds more than the 500000 values/],
      [`{"sha":"${"x".repeat(6_000_000)}"}`, /has more than the 5000000 bytes that are read/],
    ] as const
  ) {
    await withHub(MODELS, { answer: () => new Response(text) }, async (_, options) => {
      await fails(fetchModel(ID, { ...options, tries: 1 }), HubError, pattern);
    });
  }
});

Deno.test("a new commit is fetched, what it shares with the old one is not", async () => {
  const models: Record<string, ServedModel> = { ...MODELS };
  await withHub(models, {}, async ({ store }, options) => {
    await fetchModel(ID, options);
    models[`${ID}@main`] = { commit: "fedcba", files: { ...MODEL.files, "config.json": bytesOf("{}") } };
    const model = await fetchModel(ID, options);
    assert.equal(await Deno.readTextFile(model.config), "{}");
    assert.equal(store.seen.length, 1);
    assert.equal((await fetchModel(ID, { ...options, offline: true })).commit, "fedcba");
    assert.equal((await fetchModel(`${ID}@${COMMIT}`, { ...options, offline: true })).commit, COMMIT);
  });
});

Deno.test("a model that has moved is found, and one on a hub under a path", () =>
  inFolder(async (folder) => {
    await using hub = serveHub(MODELS, {
      answer: (request, path) => {
        const to = path.startsWith("/sub/")
          ? path.slice(4)
          : path.includes("/old/name")
          ? path.replace("old/name", ID)
          : undefined;
        return to === undefined
          ? undefined
          : Response.redirect(new URL(to + new URL(request.url).search, request.url), 307);
      },
    });
    const options = { cache: `${folder}/hub`, offline: false, token: "", pause: 1 };
    assert.deepEqual(
      await Deno.readFile((await fetchModel("old/name", { ...options, endpoint: hub.url })).weights),
      WEIGHTS,
    );
    assert.deepEqual(
      await Deno.readFile((await fetchModel(ID, { ...options, endpoint: `${hub.url}/sub/` })).config),
      CONFIG,
    );
  }));

Deno.test("a download that breaks goes on, in the same process and in the next", () =>
  withHub(MODELS, { store: (n) => n < 4 ? { breakAfter: 30_000 } : {} }, async ({ store }, options) => {
    await fails(fetchModel(ID, { ...options, tries: 2 }), NetworkError, /connection broke after 60000 of 200000 bytes/);
    const folder = `${options.cache}/models--google--ddpm-cifar10-32`;
    assert.deepEqual((await namesIn(`${folder}/blobs`)).filter((name) => name.endsWith(".partial")).length, 1);
    await fails(
      fetchModel(ID, { ...options, offline: true }),
      HubError,
      /does not have all of google\/ddpm-cifar10-32/,
    );
    assert.deepEqual(await Deno.readFile((await fetchModel(ID, options)).weights), WEIGHTS);
    const ranges = store.seen.map(({ headers }) => headers.get("range"));
    assert.deepEqual(ranges, [null, "bytes=30000-", "bytes=60000-", "bytes=90000-"]);
  }));

Deno.test("what is not what the hub promised is not kept", async () => {
  const page = bytesOf("<html>Log in</html>");
  const cases: [HubFaults["contents"] & object, RegExp][] = [
    [(bytes) => bytes.map((byte) => byte ^ 1), /what came has the digest sha256:/],
    [(bytes) => bytes.subarray(1), /the server has 199999 bytes, expected 200000/],
    [() => page, /the server has 19 bytes/],
  ];
  for (const [contents, pattern] of cases) {
    await withHub(MODELS, { contents }, async (_, options) => {
      await fails(fetchModel(ID, options), DownloadError, pattern);
      const folder = `${options.cache}/models--google--ddpm-cifar10-32`;
      assert.equal((await namesIn(`${folder}/blobs`)).length, 2, "only the small files");
    });
  }
  await withHub(MODELS, { store: () => ({ headers: { "content-type": "text/html" } }) }, async (_, options) => {
    await fails(fetchModel(ID, options), DownloadError, /a web page came instead/);
  });
  const large = { commit: "abc", files: { ...MODEL.files, "config.json": someBytes(1_500_000) } };
  await withHub({ [`${ID}@main`]: large }, {}, async (_, options) => {
    await fails(fetchModel(ID, options), DownloadError, /more than the 1000000 bytes/);
  });
});

Deno.test("each failure of the hub is a line that says what to do", async () => {
  const status = (status: number, code?: string): HubFaults => ({
    answer: () => new Response("secret\n", { status, ...(code ? { headers: { "x-error-code": code } } : {}) }),
  });
  const cases: [HubFaults, HubOptions, RegExp][] = [
    [status(401, "RepoNotFound"), {}, /has no model google\/ddpm-cifar10-32 or HF_TOKEN's account cannot see it/],
    [status(401), {}, /refuses the token in HF_TOKEN/],
    [status(401, "GatedRepo"), {}, /agree to its terms: do so at http.*, with the account of HF_TOKEN/],
    [status(403, "GatedRepo"), {}, /agree to its terms/],
    [status(404, "RepoNotFound"), {}, /has no model google\/ddpm-cifar10-32/],
    [status(404), {}, /has no model google\/ddpm-cifar10-32/],
    [status(404, "RevisionNotFound"), { revision: "v9" }, /has no revision "v9"/],
    [status(429), {}, /asks for fewer requests/],
    [status(500), {}, /fails with status 500 .*HF_HUB_OFFLINE=1/],
    [{ answer: () => new Response("<html></html>") }, {}, /does not answer as a Hugging Face hub does/],
    [{ answer: () => Response.json({}) }, {}, /does not answer as a Hugging Face hub does/],
    [{ answer: () => Response.json(null) }, {}, /does not answer as a Hugging Face hub does/],
    [{ answer: () => Response.json({ sha: "../..", siblings: [] }) }, {}, /does not answer as a Hugging Face hub does/],
    [{ answer: () => Response.json({ sha: "abc", siblings: 7 }) }, {}, /does not answer as a Hugging Face hub does/],
    [{ answer: () => Response.json({ sha: "abc", siblings: [{}] }) }, {}, /no config\.json/],
    [
      { answer: (_, path) => path.includes("resolve") ? new Response("") : undefined },
      {},
      /does not answer as a Hugging/,
    ],
    [
      {
        answer: (_, path) =>
          path.includes("resolve") ? new Response("", { headers: { etag: '"../../x"' } }) : undefined,
      },
      {},
      /does not answer as a Hugging Face hub does/,
    ],
  ];
  for (const [faults, more, pattern] of cases) {
    await withHub(MODELS, faults, async (_, options) => {
      await fails(fetchModel(ID, { ...options, tries: 2, ...more }), HubError, pattern);
      await assert.rejects(Deno.stat(`${options.cache}/models--google--ddpm-cifar10-32/refs`), Deno.errors.NotFound);
    });
  }
  await inFolder(async (folder) => {
    await using hub = serveHub({});
    const options = { endpoint: hub.url, cache: folder, offline: false, token: "", pause: 1 };
    await fails(fetchModel(ID, options), HubError, /has no model .* or it is private: set HF_TOKEN/);
  });
  await withHub({ [`${ID}@main`]: { commit: "abc", files: { "config.json": CONFIG } } }, {}, async (_, options) => {
    await fails(
      fetchModel(ID, options),
      HubError,
      /no diffusion_pytorch_model\.safetensors or diffusion_pytorch_model\.bin/,
    );
  });
});

Deno.test("without a network, and offline without the model, one line", () =>
  inFolder(async (folder) => {
    const free = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = free.addr;
    free.close();
    const options = { endpoint: `http://127.0.0.1:${port}`, cache: folder, offline: false, token: "", tries: 1 };
    await fails(
      fetchModel(ID, options),
      NetworkError,
      /^Cannot reach 127.*it refuses the connection.*HF_HUB_OFFLINE=1/,
    );
    await fails(
      fetchModel(ID, { ...options, offline: true }),
      HubError,
      /does not have all of google\/ddpm-cifar10-32, and HF_HUB_OFFLINE forbids/,
    );
    await fails(fetchModel(ID, { ...options, endpoint: "hub" }), HubError, /HF_ENDPOINT is not the address/);
    await fails(fetchModel(ID, { ...options, endpoint: "https://me:secret@hub" }), HubError, /HF_ENDPOINT is not/);
    await fails(fetchModel(ID, { ...options, token: "secret\n" }), HubError, /HF_TOKEN holds characters/);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("names of models are checked before they become paths", () => {
  for (const good of ["gpt2", "google/ddpm-cifar10-32", "a/b.c_d", "1x/y"]) assert.ok(isModelName(good), good);
  for (
    const bad of [
      "",
      ".",
      "..",
      "../x",
      "a/..",
      "a/b/c",
      "a--b/c",
      "a/b..c",
      "/a",
      "a/",
      "a b",
      "-a/b",
      "a/b-",
      "x".repeat(97),
    ]
  ) {
    assert.ok(!isModelName(bad), bad);
    assert.throws(() => parseModelId(bad), HubError);
  }
  assert.deepEqual(parseModelId("a/b@refs/pr/1"), { id: "a/b", revision: "refs/pr/1" });
  assert.deepEqual(parseModelId("a/b", "v1"), { id: "a/b", revision: "v1" });
  for (const bad of ["", "../x", "a/../b", "/a", "a//b", ".a", "a/.b", "a b", "a?b", "a/"]) {
    assert.throws(() => parseModelId(`a/b@${bad}`), HubError, bad);
  }
});

Deno.test("a model is found in a folder, and what is neither folder nor name is refused", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/model/unet`, { recursive: true });
    await fails(findModelFiles(`${folder}/model`), HubError, /model is not a diffusers U-Net: it has no config\.json/);
    await Deno.writeFile(`${folder}/model/unet/config.json`, CONFIG);
    await fails(locateModel(`${folder}/model`), HubError, /it has no diffusion_pytorch_model\.safetensors or/);
    await Deno.writeFile(`${folder}/model/unet/diffusion_pytorch_model.bin`, WEIGHTS);
    const { config, scheduler, weights } = await locateModel(`${folder}/model`);
    assert.deepEqual([await Deno.readFile(config), await Deno.readFile(weights), scheduler], [
      CONFIG,
      WEIGHTS,
      undefined,
    ]);
    await fails(locateModel(config), HubError, /is a file\. Name the folder/);
    for (const name of [`${folder}/none`, "./none", "a/b/c", "~/x", "C:\\x", "no name"]) {
      await fails(locateModel(name), HubError, /There is no folder/);
    }
  }));

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
