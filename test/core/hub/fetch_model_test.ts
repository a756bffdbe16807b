import assert from "assert";
import { fetchModel, findModelFiles, HubError } from "../../../core/hub/mod.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { someBytes } from "../io/file_server.ts";
import { type ServedModel, serveHub } from "./hub_server.ts";
import {
  bytesOf,
  COMMIT,
  CONFIG,
  fails,
  ID,
  indexOf,
  MODEL,
  MODELS,
  SCHEDULER,
  WEIGHTS,
  withHub,
} from "./served_model.ts";

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
