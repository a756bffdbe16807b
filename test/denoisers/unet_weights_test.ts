import { deepEqual, ok, throws } from "assert";
import { Random } from "../../core/random/random.ts";
import type { HostTensor } from "../../core/data/tensors.ts";
import { DDPM_CIFAR10, parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { initParams } from "../../denoisers/unet_pretrained/network.ts";
import { matchWeights, UnetWeightsError } from "../../denoisers/unet_pretrained/weights.ts";

const config = parseUnetConfig({
  ...DDPM_CIFAR10,
  block_out_channels: [8],
  down_block_types: ["AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D"],
  layers_per_block: 1,
  norm_num_groups: 4,
}, "config.json");

const weights = initParams(config, Random.fromSeed(0));

function problemsOf(given: Record<string, HostTensor>): string {
  let message = "";
  throws(() => matchWeights(config, given, "the model"), (error) => {
    ok(error instanceof UnetWeightsError, String(error));
    message = error.message;
    return true;
  });
  ok(!message.includes("\n"), message);
  return message;
}

/** A name as diffusers had it before 0.18. */
function oldName(name: string): string {
  const old = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
  return Object.entries(old).reduce((result, [now, then]) => result.replace(`.${now}.`, `.${then}.`), name);
}

Deno.test("weights come in the parameters' order, whatever order they are given in", () => {
  const shuffled = Object.fromEntries(Object.entries(weights).reverse());
  const got = matchWeights(config, shuffled, "the model");
  deepEqual(Object.keys(got), Object.keys(weights));
  for (const name of Object.keys(weights)) ok(got[name].data === weights[name].data, name);
});

Deno.test("the old names of attention's parts are understood, alone and among new ones", () => {
  const old = Object.fromEntries(Object.entries(weights).map(([name, tensor]) => [oldName(name), tensor]));
  ok(Object.keys(old).filter((name) => !(name in weights)).length === 3 * 8 + 8);
  deepEqual(matchWeights(config, old, "the model"), weights);
  const { "mid_block.attentions.0.to_q.weight": query, ...rest } = weights;
  deepEqual(matchWeights(config, { ...rest, "mid_block.attentions.0.query.weight": query }, "the model"), weights);
});

Deno.test("what is missing, surplus, misshapen or there twice is all listed", () => {
  const { "conv_in.weight": convIn, "mid_block.attentions.0.to_k.bias": _, ...rest } = weights;
  const bias = weights["conv_out.bias"];
  const message = problemsOf({
    ...rest,
    "conv_in.weight": { shape: [8, 27], data: convIn.data },
    "mid_block.attentions.0.query.bias": weights["mid_block.attentions.0.to_q.bias"],
    "ema.decay": bias,
    "two\nlines": bias,
    "mid_block.key.bias": bias,
  });
  ok(message.includes("of the model (6 problems)"), message);
  for (
    const part of [
      "conv_in.weight has the shape [8,27], expected [8,3,3,3]",
      "mid_block.attentions.0.to_k.bias is missing",
      '"mid_block.attentions.0.to_q.bias" is there twice, once as "mid_block.attentions.0.query.bias"',
      '"ema.decay" is no parameter',
      '"two\\nlines" is no parameter',
      '"mid_block.key.bias" is no parameter',
    ]
  ) ok(message.includes(part), `${part}: ${message}`);
});

Deno.test("of very many problems the first are listed, and the others counted", () => {
  const message = problemsOf({});
  const total = Object.keys(weights).length;
  ok(message.includes(`(${total} problems)`) && message.includes(`and ${total - 20} more`), message);
  ok(message.includes("conv_in.weight is missing"));
  const surplus = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => ["x".repeat(500) + i, weights["conv_out.bias"]]),
  );
  const long = problemsOf({ ...weights, ...surplus });
  ok(long.length < 3000 && /980 more/.test(long), long);
});
