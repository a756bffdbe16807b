import * as tf from "@tensorflow/tfjs";
import { linear } from "../../core/layers/linear.ts";
import { silu } from "../../core/layers/silu.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { type Condition, conditionWidth } from "../../core/data/condition.ts";
import type { ClassEmbedding, TimeEmbedding } from "./config.ts";

/** What diffusers calls a model's `class_labels`, for a batch. */
export interface ClassInput {
  /**
   * For a table how much each of its rows counts, `[batch, rows]`, one of them 1 for a class; for `timestep` a number,
   * `[batch]`; for `identity` the embedding itself, `[batch, size]`.
   */
  readonly values: tf.Tensor;
  /** 1 where the class is known, `[batch, 1]`: where it is not, nothing is added. Known of all, if left out. */
  readonly known?: tf.Tensor;
}

/**
 * The embedding of classes that is added to that of the time step, as `UNet2DModel` has it.
 *
 * @param embed How its time steps are embedded, which `timestep` has in common.
 * @returns `[batch, size]`.
 */
export function classEmbedding(
  { kind }: ClassEmbedding,
  params: Record<string, tf.Tensor>,
  { values, known }: ClassInput,
  embed: (values: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const embedded = () => {
    if (kind === "identity") return values;
    if (kind === "table") return tf.matMul(values as tf.Tensor2D, params["class_embedding.weight"] as tf.Tensor2D);
    const hidden = linear(params, "class_embedding.linear_1", embed(values));
    return linear(params, "class_embedding.linear_2", silu(hidden));
  };
  return known ? tf.mul(embedded(), known) : embedded();
}

/**
 * How what is known of a sample becomes a U-Net's classes. A table has a row for each class, and where it has one more
 * that is the null token's; without it, and of the other kinds, nothing is added for what is unknown.
 *
 * @param size Of the embedding.
 * @param source What the U-Net is of, for messages.
 * @param time How its time steps are embedded, and with `timestep` its classes too.
 * @throws {UserError} When the U-Net and the data's condition do not fit each other.
 */
export function classInputOf(
  embedding: ClassEmbedding | undefined,
  condition: Condition | undefined,
  size: number,
  source: string,
  time?: TimeEmbedding,
): ((vectors: tf.Tensor | undefined, batch: number) => ClassInput) | undefined {
  if (!embedding && !condition) return undefined;
  if (!embedding) {
    throw new UserError(`${source} takes no classes, but the data has a condition. Leave out --condition.`);
  }
  if (!condition) {
    throw new UserError(
      `${source} is of classes (${
        describeEmbedding(embedding)
      }), but the data has no condition. Name one by --condition.`,
    );
  }
  const width = conditionWidth(condition), [own] = condition;
  const vectorsOf = (vectors: tf.Tensor | undefined, batch: number) => vectors ?? tf.zeros([batch, width]);
  if (embedding.kind === "identity") {
    if (width > size) {
      throw new UserError(
        `${source} takes an embedding of ${size} values, but the condition has ${width}. Give fewer.`,
      );
    }
    return (vectors, batch) => ({ values: tf.pad(vectorsOf(vectors, batch), [[0, 0], [0, size - width]]) });
  }
  if (condition.length > 1) {
    throw new UserError(
      `${source} takes one variable (${
        describeEmbedding(embedding)
      }), but the condition has ${condition.length}. Name one.`,
    );
  }
  const split = (vectors: tf.Tensor, batch: number) => ({
    known: tf.slice(vectors, [0, 0], [batch, 1]),
    rest: tf.slice(vectors, [0, 1], [batch, width - 1]),
  });
  if (embedding.kind === "timestep") {
    // In the data's units.
    const steps = own.kind === "class" ? own.levels : [own.scale], mean = own.kind === "class" ? 0 : own.mean;
    if (time) requireLabels(time, own, source);
    return (vectors, batch) => {
      const { known, rest } = split(vectorsOf(vectors, batch), batch);
      const labels = tf.add(tf.matMul(rest as tf.Tensor2D, tf.tensor2d([...steps], [steps.length, 1])), mean);
      // Nothing is added for what is unknown, but it has to have a logarithm.
      const told = time?.kind === "fourier" ? tf.add(labels, tf.mul(tf.sub(1, known), 1 - mean)) : labels;
      return { values: tf.reshape(told, [batch]), known };
    };
  }
  const rows = embedding.count;
  if (own.kind !== "class" || rows !== own.levels.length && rows !== own.levels.length + 1) {
    const got = own.kind === "class" ? `${own.levels.length} classes` : "a number";
    throw new UserError(
      `${source} has ${rows} classes, but ${own.name} is ${got}. Give data of ${rows} classes, or of one less and the last ` +
        "for unknown.",
    );
  }
  const hasNull = rows > own.levels.length;
  return (vectors, batch) => {
    const { known, rest } = split(vectorsOf(vectors, batch), batch);
    return { values: hasNull ? tf.concat([rest, tf.sub(1, known)], 1) : rest };
  };
}

/** Refuses classes that their embedding has none for: a table has rows from 0 on, and a logarithm is of numbers above 0. */
function requireLabels(time: TimeEmbedding, own: Condition[number], source: string): void {
  if (time.kind === "positional") return;
  const fits = (level: number) =>
    time.kind === "fourier" ? level > 0 : Number.isInteger(level) && level >= 0 && level < time.steps;
  const wrong = own.kind === "class" ? own.levels.find((level) => !fits(level)) : "any number";
  if (wrong === undefined) return;
  const expected = time.kind === "fourier" ? "numbers above 0" : `whole numbers from 0 to ${time.steps - 1}`;
  throw new UserError(
    `${source} takes classes that are ${expected}, but ${own.name} may be ${wrong}. Give other classes.`,
  );
}

/** An embedding in words, as its configuration has it. */
function describeEmbedding(embedding: ClassEmbedding): string {
  return embedding.kind === "table" ? `num_class_embeds ${embedding.count}` : `class_embed_type ${embedding.kind}`;
}

/**
 * The configuration of a U-Net that is to take a condition: one that has no classes gets a table of the data's, and one row
 * more for what is unknown.
 */
export function withClasses(
  json: unknown,
  condition: Condition | undefined,
): { readonly json: unknown; readonly isAdded: boolean } {
  const config = json as Readonly<Record<string, unknown>>;
  const [own] = condition ?? [];
  const has = typeof json !== "object" || json === null ||
    (config.num_class_embeds ?? null) !== null || (config.class_embed_type ?? null) !== null;
  if (!condition || has) return { json, isAdded: false };
  if (condition.length > 1 || own.kind !== "class") {
    throw new UserError(
      `--condition is ${
        condition.map(({ name }) => name).join()
      }, but a U-Net takes one class. Name one, as label:class, or ` +
        'describe one with class_embed_type "timestep" or "identity" by --config.',
    );
  }
  return { json: { ...config, num_class_embeds: own.levels.length + 1 }, isAdded: true };
}
