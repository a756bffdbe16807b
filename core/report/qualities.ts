import { type Html, html } from "./html.ts";
import { decimals, estimate, whole } from "./numbers.ts";
import { figureHtml, type SavedFigure } from "./saved_figure.ts";

/** A comparison of samples with data, of a file in the run's folder `evaluate`. */
export interface SavedQuality {
  /** The file's name without its ending. */
  readonly name: string;
  readonly data?: string;
  /** The file of samples that were compared; the model's own where it is left out. */
  readonly samples?: string;
  readonly rows: number;
  /** How well trees tell samples from held-out rows, and training rows from the same. */
  readonly accuracy: Saved;
  readonly sliced?: Saved;
  readonly frechet?: Saved;
  /** The median distance to the nearest training row over that of held-out rows. */
  readonly ratio?: number;
  readonly copies?: number;
  /** What was found, in sentences. */
  readonly findings: readonly string[];
  readonly figure?: SavedFigure;
}

/** A number with its error, and what training rows have. */
export interface Saved {
  readonly value: number;
  readonly stderr?: number;
  readonly real?: number;
}

const MAX_FINDINGS = 12, MAX_FINDING = 400;

/** What a file of `deno task evaluate` says, as far as it is what it should be; nothing where it has no such numbers. */
export function savedQuality(name: string, text: string, figure?: SavedFigure): SavedQuality | undefined {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = recordOf(JSON.parse(text));
  } catch {
    return undefined;
  }
  const trees = Array.isArray(record.classifiers) ? recordOf(record.classifiers[0]) : {};
  const [own, real] = [recordOf(recordOf(trees.samples).accuracy), recordOf(recordOf(trees.real).accuracy)];
  const accuracy = saved({ value: own.value, stderr: own.stderr, real: real.value }), { rows } = record;
  if (!accuracy || !isNumber(rows)) return undefined;
  const sliced = saved(recordOf(record.sliced_wasserstein)),
    frechet = saved(recordOf(recordOf(record.features).frechet));
  const { ratio, copies } = recordOf(recordOf(record.nearest).samples);
  const findings = Array.isArray(record.findings) ? record.findings.filter((one) => typeof one === "string") : [];
  return {
    ...{ name, rows, accuracy },
    ...(typeof record.data === "string" ? { data: record.data } : {}),
    ...(typeof record.samples === "string" ? { samples: record.samples } : {}),
    ...(sliced ? { sliced } : {}),
    ...(frechet ? { frechet } : {}),
    ...(isNumber(ratio) ? { ratio } : {}),
    ...(isNumber(copies) ? { copies } : {}),
    findings: findings.slice(0, MAX_FINDINGS).map((one) => one.slice(0, MAX_FINDING)),
    ...(figure ? { figure } : {}),
  };
}

/** The part of the page about comparisons of samples with data; nothing where there are none. */
export function qualitySection(qualities: readonly SavedQuality[]): Html | undefined {
  if (qualities.length === 0) return undefined;
  const hasFrechet = qualities.some(({ frechet }) => frechet);
  const heads = ["data", "samples", "of each", "told apart", "sliced Wasserstein", "nearest, ratio", "copies"];
  const cell = (one: Saved | undefined, show: (value: number, stderr?: number) => string) =>
    one === undefined ? "–" : `${show(one.value, one.stderr)}${one.real === undefined ? "" : ` (${show(one.real)})`}`;
  const percent = (value: number, stderr?: number) =>
    `${decimals(100 * value, 1)}${stderr === undefined ? "" : ` ± ${decimals(100 * stderr, 1)}`} %`;
  const rows = qualities.map(({ data, samples, rows, accuracy, sliced, frechet, ratio, copies }) => {
    const cells = [
      ...[samples ?? "the model’s", whole(rows), cell(accuracy, percent), cell(sliced, estimate)],
      ...[ratio === undefined ? "–" : decimals(ratio, 2), copies === undefined ? "–" : percent(copies)],
      ...(hasFrechet ? [cell(frechet, estimate)] : []),
    ];
    return html`<tr><th scope="row">${data ?? "–"}</th>${cells.map((each) => html`<td>${each}</td>`)}</tr>`;
  });
  const figure = qualities.findLast((quality) => quality.figure)?.figure;
  return html`
    <section>
      <h2>Samples beside data</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Samples beside data">
        <table class="numbers">
          <thead>
            <tr>${[...heads, ...hasFrechet ? ["Fréchet"] : []].map((head) => html`<th scope="col">${head}</th>`)}</tr>
          </thead>
          <tbody>${rows}</tbody>
        </table>
      </div>
      <p class="note">Told apart by boosted trees from held-out rows, 50 % by chance. In brackets what as many training
      rows have beside the same held-out rows.</p>
      ${qualities.flatMap(({ data, findings }) =>
        findings.map((finding) => html`<p class="warning">${data === undefined ? "" : `${data}: `}${finding}.</p>`)
      )}
      ${figure && figureHtml(figure, "Samples beside held-out rows")}
    </section>
  `;
}

function saved({ value, stderr, real }: Readonly<Record<string, unknown>>): Saved | undefined {
  if (!isNumber(value)) return undefined;
  return { value, ...(isNumber(stderr) ? { stderr } : {}), ...(isNumber(real) ? { real } : {}) };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}
