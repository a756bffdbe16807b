import { comparedLoss, comparedMse } from "./comparison_figures.ts";
import { type Html, html } from "./html.ts";
import { duration, estimate, whole } from "./numbers.ts";
import { LIKELIHOODS, likelihoodsOf } from "./run_numbers.ts";
import type { RunReport } from "./run_report.ts";
import { figureHtml } from "./saved_figure.ts";

/** The part of the page that compares runs: their numbers in a table, and their curves in the same colours. */
export async function comparison(runs: readonly RunReport[]): Promise<Html> {
  const data = new Set(runs.map(({ files: { config } }) => JSON.stringify([config.dataset, config.datasetOptions])));
  const curves = runs.map(({ label, files: { metrics }, curve }) => ({
    label,
    metrics,
    ...(curve ? { curve } : {}),
  }));
  const drawn = [await comparedLoss(curves), await comparedMse(curves)].filter((one) => one !== undefined);
  const notes = runs.flatMap(({ label, notes }) => notes.map((note) => `${label}: ${note}`));
  const different = "The runs are of different data: compare their excess over the entropy, not their NLL.";
  return html`
    <section>
      <h2>Comparison</h2>
      ${notes.map((note) => html`<p class="warning">${note}</p>`)}
      ${data.size > 1 ? html`<p class="note">${different}</p>` : undefined}
      ${table(runs)}
      <div class="pair">
        ${drawn.map((one) => figureHtml(one))}
      </div>
    </section>
  `;
}

function table(runs: readonly RunReport[]): Html {
  const all = runs.map(({ files }) => likelihoodsOf(files));
  const kinds = LIKELIHOODS.filter((kind) => all.some((numbers) => numbers.some((one) => one.kind === kind)));
  const heads = ["run", ...kinds, "parameters", "epochs", "training"];
  const rows = runs.map(({ label, files: { summary, metrics } }, i) => {
    const numbers = kinds.map((kind) => all[i].find((number) => number.kind === kind));
    const cells = [
      ...numbers.map((one) => one ? estimate(one.nats, one.stderr) : "–"),
      summary?.parameters === undefined ? "–" : whole(summary.parameters),
      whole(summary?.epochs ?? metrics.at(-1)?.epoch ?? 0),
      summary?.train_seconds === undefined ? "–" : duration(summary.train_seconds),
    ];
    return html`
      <tr>
        <th scope="row"><span class="swatch series-${i}"></span>${label}</th>
        ${cells.map((cell) => html`<td>${cell}</td>`)}
      </tr>
    `;
  });
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Comparison">
      <table class="numbers compared">
        <caption>NLL in nats, ± one standard error</caption>
        <thead>
          <tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr>
        </thead>
        <tbody>${rows}</tbody>
      </table>
    </div>
  `;
}
