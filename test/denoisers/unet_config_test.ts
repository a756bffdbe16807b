import { deepEqual, equal, ok, throws } from "assert";
import { Random } from "../../core/random/random.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { DDPM_CIFAR10, parseUnetConfig, UnetConfigError } from "../../denoisers/unet_pretrained/config.ts";
import { initParams, parameterCount, parameterShapes } from "../../denoisers/unet_pretrained/network.ts";
import { fuzz } from "../core/io/fuzz.ts";

const REFERENCE = new URL("../reference/unet/ddpm-cifar10-32.params.json", import.meta.url);

/** What is wrong with DDPM's configuration after these changes. */
function problemsOf(changes: Record<string, unknown>): string {
  let message = "";
  throws(() => parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "config.json"), (error) => {
    ok(error instanceof UnetConfigError, String(error));
    message = error.message;
    return true;
  });
  ok(!message.includes("\n"));
  return message;
}

Deno.test("the parameters of google/ddpm-cifar10-32 have diffusers' names, shapes and order", async () => {
  interface Reference {
    readonly config: Record<string, unknown>;
    readonly n_parameters: number;
    readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  }
  const reference: Reference = JSON.parse(await Deno.readTextFile(REFERENCE));
  const shapes = parameterShapes(parseUnetConfig(reference.config, "config.json"));
  deepEqual([...shapes], reference.parameters.map(({ name, shape }) => [name, shape]));
  equal([...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0), 35_746_307);
  equal(reference.n_parameters, 35_746_307);
  deepEqual(parseUnetConfig(DDPM_CIFAR10, "x"), parseUnetConfig(reference.config, "x"));
});

Deno.test("what a configuration leaves out has diffusers' default", () => {
  const { levels, ...rest } = parseUnetConfig({}, "config.json");
  deepEqual(
    levels,
    [224, 448, 672, 896].map((channels, i) => ({
      channels,
      down: i > 0 ? "AttnDownBlock2D" : "DownBlock2D",
      up: i > 0 ? "AttnUpBlock2D" : "UpBlock2D",
    })),
  );
  deepEqual(rest, {
    inChannels: 3,
    outChannels: 3,
    centerInputSample: false,
    timeEmbedding: { kind: "positional", freqShift: 0, flipSinToCos: true },
    timeEmbeddingDim: 896,
    layersPerBlock: 2,
    activation: "silu",
    downsampleType: "conv",
    upsampleType: "conv",
    midBlock: true,
    midAttention: true,
    midBlockScaleFactor: 1,
    downsamplePadding: 1,
    attentionHeadDim: 8,
    normNumGroups: 32,
    attnNormNumGroups: null,
    normEps: 1e-5,
    timeScaleShift: false,
    dropout: 0,
  });
});

Deno.test("an unsupported value is named with what is supported", () => {
  const unsupported: Record<string, unknown[]> = {
    _class_name: ["UNet2DConditionModel", 3],
    act_fn: ["tanh", null],
    add_attention: ["yes", 1],
    attention_head_dim: [0, -1, 1.5, "8"],
    attn_norm_num_groups: [0, "2"],
    block_out_channels: [[], [128.5], "128", 128, new Array(17).fill(32), [1e9], [0], {}],
    center_input_sample: ["false", 0],
    class_embed_type: ["projection"],
    down_block_types: [["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D"], "DownBlock2D", null],
    downsample_padding: [2, null, "0"],
    downsample_type: ["fir"],
    dropout: [1.1, -0.1, "0.1", null],
    flip_sin_to_cos: [1],
    freq_shift: ["1", null, NaN, -1e308],
    in_channels: [0, 1.5, "3"],
    layers_per_block: [0, 65, 1.5],
    mid_block_scale_factor: [0, "1", Infinity, 1e308, 1e-308],
    mid_block_type: ["UNetMidBlock2DCrossAttn"],
    norm_eps: [0, "1e-6", 1e308, 1e-50],
    norm_num_groups: [0, null],
    num_class_embeds: [0],
    num_train_timesteps: [0, "1000"],
    out_channels: [0, 1e9],
    resnet_time_scale_shift: ["spatial", null],
    time_embedding_dim: [-1, "512"],
    time_embedding_type: ["rotary"],
    up_block_types: [["UpBlock2D"].concat(new Array(3).fill("CrossAttnUpBlock2D"))],
    upsample_type: ["fir"],
  };
  for (const [key, values] of Object.entries(unsupported)) {
    for (const value of values) {
      const message = problemsOf({ [key]: value });
      ok(
        message.startsWith("config.json ") && message.includes(`${key} is `) && message.includes("expected "),
        message,
      );
    }
  }
  for (const value of [null, 3, "x", [], undefined]) {
    throws(() => parseUnetConfig(value, "config.json"), /config\.json is not the configuration of a model/);
  }
});

Deno.test("dropout is kept, as it matters in training alone", () => {
  equal(parseUnetConfig({ ...DDPM_CIFAR10, dropout: 0.1 }, "config.json").dropout, 0.1);
});

Deno.test("parameters are counted by arithmetic, however many they would be", () => {
  equal(parameterCount(parseUnetConfig(DDPM_CIFAR10, "config.json")), 35_746_307);
  const huge = parseUnetConfig({ ...DDPM_CIFAR10, time_embedding_dim: 65536, layers_per_block: 16 }, "config.json");
  ok(parameterCount(huge) > 2 ** 32);
});

Deno.test("every problem is listed, keys that are not known too", () => {
  const message = problemsOf({
    act_fn: "tanh",
    layers_per_block: 99,
    encoder_hid_dim: 7,
    cross_attention_dim: "x".repeat(500),
  });
  for (const part of [/act_fn is "tanh"/, /layers_per_block is 99/, /encoder_hid_dim is 7, which is not known/]) {
    ok(part.test(message), message);
  }
  ok(/cross_attention_dim is "x+\.\.\., which/.test(message) && message.length < 600, message);
});

Deno.test("what does not fit together is said", () => {
  const beside = (first: string, second: string, levels = 2) => ({
    block_out_channels: Array(levels).fill(32),
    norm_num_groups: 2,
    down_block_types: [first, ...Array(levels - 1).fill(second)].map((name) => `${name}DownBlock2D`),
    up_block_types: [...Array(levels - 1).fill(second), first].map((name) => `${name}UpBlock2D`),
  });
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ block_out_channels: [128, 256] }, /block_out_channels has 2 entries, down_block_types 4 and up_block_types 4/],
    [
      { norm_num_groups: 48 },
      /norm_num_groups 48 does not divide the 128 channels of down_blocks\.0\.resnets\.0\.norm1/,
    ],
    [{ norm_num_groups: null }, /norm_num_groups is null, expected a whole number for down_blocks\.0.* more norm/],
    [{ attention_head_dim: 300 }, /attention_head_dim is 300, expected at most the 256 channels of block 1/],
    [{ attn_norm_num_groups: 48 }, /attn_norm_num_groups 48 does not divide the 256 channels of mid_block/],
    [{ freq_shift: 64 }, /freq_shift is 64, expected less than half/],
    [{ downsample_padding: 2 }, /downsample_padding is 2, expected 0 or 1/],
    [{ layers_per_block: 0 }, /layers_per_block is 0, expected at least 1 where block_out_channels differ/],
    [{ time_embedding_type: "learned" }, /num_train_timesteps is null, expected a whole number/],
    [{ ...beside("Skip", "Skip"), block_out_channels: [30, 30] }, /has 7 groups, which do not divide its 30 channels/],
    [{ ...beside("AttnSkip", "Skip"), block_out_channels: [48, 48] }, /group_norm has 32 groups, which do not divide/],
    [{ ...beside("Skip", "Skip"), in_channels: 1 }, /in_channels is 1, expected 3 for down_blocks\.0/],
    [{ ...beside("Skip", "Skip"), out_channels: 1 }, /out_channels is 1, expected 3 for skip blocks/],
    [beside("", "Skip", 3), /down_blocks\.1 takes the image along, expected all blocks before it to do so/],
    [{ ...beside("Skip", ""), up_block_types: ["SkipUpBlock2D", "UpBlock2D"] }, /the last of up_block_types hands on/],
  ];
  for (const [changes, expected] of wrong) ok(expected.test(problemsOf(changes)), problemsOf(changes));
});

Deno.test("parts of the network come and go with the configuration", () => {
  const names = (
    changes: Record<string, unknown>,
  ) => [...parameterShapes(parseUnetConfig({ ...DDPM_CIFAR10, ...changes }, "x")).keys()];
  const has = (changes: Record<string, unknown>, part: string) => names(changes).some((name) => name.includes(part));
  ok(has({}, "mid_block.attentions.0.group_norm"));
  ok(!has({ mid_block_type: null }, "mid_block"));
  ok(has({ add_attention: false }, "mid_block.resnets") && !has({ add_attention: false }, "mid_block.attentions"));
  // diffusers leaves this normalisation out unless its groups are given.
  const shift = { resnet_time_scale_shift: "scale_shift" };
  ok(has(shift, "mid_block.attentions.0.to_q") && !has(shift, "mid_block.attentions.0.group_norm"));
  ok(has({ ...shift, attn_norm_num_groups: 16 }, "mid_block.attentions.0.group_norm"));
  ok(has(shift, "down_blocks.1.attentions.0.group_norm"));
  const one = { block_out_channels: [32], down_block_types: ["DownBlock2D"], up_block_types: ["UpBlock2D"] };
  ok(!has(one, "samplers"));
});

Deno.test("initial parameters have the configuration's names and shapes, and are the same for the same seed", () => {
  const config = parseUnetConfig({
    ...DDPM_CIFAR10,
    block_out_channels: [8, 16],
    down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
    up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups: 4,
  }, "config.json");
  const [first, again, other] = [1, 1, 2].map((seed) => initParams(config, Random.fromSeed(seed)));
  deepEqual(Object.entries(first).map(([name, { shape }]) => [name, shape]), [...parameterShapes(config)]);
  deepEqual(first, again);
  for (const [name, { shape, data }] of Object.entries(first)) {
    equal(data.length, sizeOf(shape), name);
    const drawn = !/norm/.test(name);
    equal(data.some((v, i) => v !== other[name].data[i]), drawn, name);
    if (drawn) ok(new Set(data).size > data.length / 2, name);
  }
});

Deno.test("damaged configurations are read or refused in one line", async () => {
  const whole = new TextEncoder().encode(JSON.stringify(DDPM_CIFAR10, null, 1));
  const refused = await fuzz(whole, 600, (bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return Promise.resolve();
    }
    check(value);
    return Promise.resolve();
  });
  ok(refused > 50, `${refused}`);
  const odd = [null, true, -1, 0, 1, 7, 1e308, 0.5, "", "x", [], [1], [[]], {}, { a: 1 }];
  for (const key of Object.keys(DDPM_CIFAR10)) {
    for (const value of odd) {
      try {
        check({ ...DDPM_CIFAR10, [key]: value });
      } catch (error) {
        ok(error instanceof UnetConfigError && !error.message.includes("\n"), `${key}: ${error}`);
      }
    }
  }
  function check(value: unknown) {
    for (const [name, shape] of parameterShapes(parseUnetConfig(value, "config.json"))) {
      ok(shape.every((n) => Number.isInteger(n) && n > 0), name);
    }
  }
});
