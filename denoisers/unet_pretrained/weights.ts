import { UserError } from "../../core/errors/user_error.ts";
import type { HostTensors } from "../../core/data/tensors.ts";
import type { UnetConfig } from "./config.ts";
import { show } from "./config_values.ts";
import { parameterShapes } from "./network.ts";

/** Weights that are not those of the configuration's U-Net. */
export class UnetWeightsError extends UserError {}

/** What the parts of an attention block were called before diffusers 0.18. */
const OLD_ATTENTION: Readonly<Record<string, string>> = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0",
};

/** The most problems that a message lists. */
const MAX_LISTED = 20;

/**
 * The weights under the names of the U-Net's parameters, in their order.
 *
 * @param given As a file holds them, under diffusers' names, present or old.
 * @param source What they are of, for messages.
 * @throws {UnetWeightsError} Listing every parameter that is missing, surplus, of another shape, or given twice.
 */
export function matchWeights(config: UnetConfig, given: HostTensors, source: string): HostTensors {
  const expected = parameterShapes(config);
  const problems: string[] = [];
  const found = new Map<string, HostTensors[string]>();
  for (const [key, tensor] of Object.entries(given)) {
    const name = newName(key);
    if (found.has(name)) problems.push(`${show(name)} is there twice, once as ${show(key)}`);
    found.set(name, tensor);
    if (!expected.has(name)) problems.push(`${show(key)} is no parameter of this U-Net`);
  }
  for (const [name, shape] of expected) {
    const got = found.get(name)?.shape;
    if (!got) problems.push(`${name} is missing`);
    else if (got.join() !== shape.join()) problems.push(`${name} has the shape [${got}], expected [${shape}]`);
  }
  if (problems.length > 0) {
    const more = problems.length > MAX_LISTED ? `; and ${problems.length - MAX_LISTED} more` : "";
    throw new UnetWeightsError(
      `The weights do not fit the U-Net of ${source} (${problems.length} problems): ` +
        `${problems.slice(0, MAX_LISTED).join("; ")}${more}. Take the config.json and the weights of one model.`,
    );
  }
  return Object.fromEntries([...expected.keys()].map((name) => [name, found.get(name)!]));
}

function newName(name: string): string {
  return name.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)(\.(?:weight|bias))$/,
    (_, before, part, after) => before + OLD_ATTENTION[part] + after,
  );
}
