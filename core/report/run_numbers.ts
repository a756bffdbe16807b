import { bitsPerDimension } from "../diffusion/likelihood.ts";
import { sizeOf } from "../data/tensors.ts";
import { type Html, html } from "./html.ts";
import { decimals, duration, estimate, whole } from "./numbers.ts";
import type { RunFiles, SavedLikelihood } from "./run_files.ts";

/** The likelihoods of a run, as a comparison heads its columns. */
export const LIKELIHOODS = ["validation", "fresh data", "reference", "Gaussian", "true entropy", "excess"] as const;

/** A likelihood of a run in nats. */
export interface NamedNumber {
  readonly kind: typeof LIKELIHOODS[number];
  readonly name: string;
  readonly nats: number;
  readonly stderr?: number;
}

/** The run's likelihoods: its own, and what they are measured against. */
export function likelihoodsOf({ summary, metrics, info }: RunFiles): NamedNumber[] {
  const last = metrics.at(-1);
  const numbers: NamedNumber[] = [];
  const add = (kind: NamedNumber["kind"], name: string, nats: number | undefined, stderr?: number) => {
    if (nats !== undefined && Number.isFinite(nats)) {
      numbers.push({ kind, name, nats, ...(stderr === undefined ? {} : { stderr }) });
    }
  };
  if (summary) add("validation", "NLL, validation data", summary.val_nll, summary.val_nll_stderr);
  else if (last) add("validation", `NLL, validation data, epoch ${last.epoch}`, last.val_nll, last.val_nll_stderr);
  add("fresh data", "NLL, fresh data", summary?.test_nll, summary?.test_nll_stderr);
  const best = numbers.at(-1);
  // One Gaussian is the data's own, which follows.
  if (summary?.reference !== "one Gaussian") {
    add("reference", `NLL of the reference alone, ${summary?.reference ?? "?"}`, summary?.reference_nll);
  }
  add("Gaussian", "NLL of the data’s Gaussian", summary?.gaussian_nll);
  const entropy = summary?.entropy ?? info?.entropy;
  add("true entropy", "True entropy", entropy);
  if (best && entropy !== undefined) add("excess", "Excess over the entropy", best.nats - entropy, best.stderr);
  return numbers;
}

/** The run's likelihoods in nats and bits per dimension. */
export function numbersTable(files: RunFiles): Html {
  const numbers = likelihoodsOf(files);
  const measured = measuredTable(files.likelihoods);
  if (numbers.length === 0) return html`<p>No epoch is finished, so that there are no numbers yet.</p>${measured}`;
  const d = files.info && sizeOf(files.info.shape);
  const rows = numbers.map(({ name, nats, stderr }) => {
    const bits = d === undefined ? "–" : estimate(
      bitsPerDimension(nats, d),
      stderr === undefined ? undefined : bitsPerDimension(stderr, d),
    );
    return html`
      <tr>
        <th scope="row">${name}</th>
        <td>${estimate(nats, stderr)}</td>
        <td>${bits}</td>
      </tr>
    `;
  });
  const shift = files.summary?.log_scale ?? files.info?.logScale;
  const scaled = shift === undefined
    ? undefined
    : `These are of the scaled values; add ${decimals(shift)} nats for those of the file.`;
  return html`
    ${table("Likelihoods", ["likelihood", "nats", "bits/dim"], rows)}
    ${scaled === undefined ? undefined : html`<p class="note">${scaled}</p>`}
    ${measured}
  `;
}

/** Likelihoods that were measured after training. */
function measuredTable(likelihoods: readonly SavedLikelihood[]): Html | undefined {
  if (likelihoods.length === 0) return undefined;
  const heads = ["file", "estimator", "data", "nats", "bits/dim", "samples", "evaluations", "time"];
  const number = (value: number | undefined, show: (value: number) => string) =>
    value === undefined ? "–" : show(value);
  const rows = likelihoods.map((one) => {
    const cells = [
      one.estimator ?? "–",
      one.data ?? "–",
      estimate(one.nats, one.stderr),
      number(one.bits_per_dim, decimals),
      number(one.samples, whole),
      number(one.evaluations, whole),
      number(one.seconds, duration),
    ];
    return html`<tr><th scope="row">${one.name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
  return html`<h3>Measured after training</h3>${table("Measured after training", heads, rows)}`;
}

/** A table that scrolls within itself where it is wider than the page. */
function table(label: string, heads: readonly string[], rows: readonly Html[]): Html {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="${label}">
      <table class="numbers">
        <thead>
          <tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr>
        </thead>
        <tbody>${rows}</tbody>
      </table>
    </div>
  `;
}

/** Facts of how the run was computed. */
export function computationTable({ summary, date, config }: RunFiles): Html {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["ended", date && `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`],
    ["parameters", summary?.parameters === undefined ? undefined : whole(summary.parameters)],
    ["steps", summary?.steps === undefined ? undefined : whole(summary.steps)],
    ["training", summary?.train_seconds === undefined ? undefined : duration(summary.train_seconds)],
    ["a step", summary?.ms_per_step === undefined ? undefined : `${summary.ms_per_step.toFixed(2)} ms`],
    ["largest memory", summary?.peak_mb === undefined ? undefined : `${whole(Math.round(summary.peak_mb))} MB`],
    ["backend", summary?.backend ?? config.backend],
    ["precision", summary?.precision ?? config.precision],
    ["threads", whole(summary?.threads ?? config.threads)],
    ...Object.entries(summary?.versions ?? {}),
  ];
  const rows = facts.map(([name, value]) =>
    value === undefined ? undefined : html`
      <tr>
        <th scope="row">${name}</th>
        <td>${value}</td>
      </tr>
    `
  );
  return html`
    <table>
      <tbody>${rows.filter((row) => row !== undefined)}</tbody>
    </table>
  `;
}
