import assert from "assert";
import { fetchModel, HubError, type HubOptions } from "../../../core/hub/mod.ts";
import { DownloadError, NetworkError } from "../../../core/io/download.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { someBytes } from "../io/file_server.ts";
import { type HubFaults, serveHub } from "./hub_server.ts";
import { bytesOf, CONFIG, fails, ID, MODEL, MODELS, WEIGHTS, withHub } from "./served_model.ts";

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
