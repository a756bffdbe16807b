import { createHash } from "node:crypto";
import configuration from "../../deno.json" with { type: "json" };
import { comparison } from "./comparison.ts";
import { Html, html } from "./html.ts";
import { liveSection } from "./live_section.ts";
import { duration, whole } from "./numbers.ts";
import { qualitySection } from "./qualities.ts";
import type { RunFiles } from "./run_files.ts";
import { computationTable, numbersTable } from "./run_numbers.ts";
import type { RunReport } from "./run_report.ts";
import { figureHtml, WIDE } from "./saved_figure.ts";
import { plainName, reportCommand, type Setting } from "./settings.ts";
import { pageStyle } from "./style.ts";

/** How a page that this program wrote begins. */
export const MARK = "<!DOCTYPE html>\n<!-- itdiffusion report";

const CAPTIONS: Readonly<Record<string, string>> = {
  overview: "The learned density, the error over log SNR, and the likelihood through training",
  contours: "The density through training",
  diagnosis: "Where the likelihood comes from",
  mse: "The error over log SNR; half the area to the Gaussian’s is the gain in nats",
  blend: "The share of the network in the model over log SNR; the rest is the reference’s",
  loss: "The negative log likelihood by epoch",
  samples: "Samples of the model",
};

/**
 * The page of a run, or of several that are compared: one HTML document that needs nothing else.
 *
 * @param runs At least one.
 */
export async function reportPage(runs: readonly RunReport[]): Promise<string> {
  const alone = runs.length === 1;
  const title = alone ? runs[0].label : `${runs.length} runs compared`;
  const models = runs.flatMap(({ label, live }) => live ? [{ name: label, model: live }] : []);
  const live = models.length > 0 ? await liveSection(models) : undefined;
  const scripts = live?.scripts.map((text) => text.replaceAll("</script", "<\\/script")) ?? [];
  const body = alone ? alonePart(runs[0], live?.section) : await comparisonPart(runs, live?.section);
  const page = html`
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        <style>${Html.trusted(pageStyle())}</style>
      </head>
      <body>
        <main>
          ${body}
        </main>
        ${live?.data}
        ${scripts.map((text) => html`<script type="module">${Html.trusted(text)}</script>`)}
      </body>
    </html>
  `;
  return `${MARK} ${configuration.version} -->\n${page.text.trim()}\n`;
}

function alonePart(run: RunReport, live: Html | undefined): Html {
  return html`
    <header>
      <h1>${run.label}</h1>
      <p class="lead">${sentence(run.files)}</p>
      ${notes(run)}
    </header>
    <section>
      <h2>Numbers</h2>
      ${numbersTable(run.files)}
    </section>
    ${figures(run.files)}
    ${qualitySection(run.files.qualities)}
    ${live ?? notLive(run)}
    ${rest(run)}
  `;
}

async function comparisonPart(runs: readonly RunReport[], live: Html | undefined): Promise<Html> {
  return html`
    <header>
      <h1>${runs.length} runs compared</h1>
      <p class="lead">${runs.map(({ label }) => label).join(", ")}.</p>
    </header>
    ${await comparison(runs)}
    ${live}
    <section>
      <h2>The runs</h2>
      ${runs.map((run) =>
        html`
          <details class="run">
            <summary>${run.label}</summary>
            <p>${sentence(run.files)}</p>
            ${notes(run)}
            ${numbersTable(run.files)}
            ${figures(run.files)}
            ${qualitySection(run.files.qualities)}
            ${notLive(run)}
            ${rest(run)}
          </details>
        `
      )}
      <p>Make this page again</p>
      ${code(reportCommand(runs.map(({ files }) => files.folder.path)))}
    </section>
  `;
}

/** The page loads nothing, and runs only its own scripts. */
function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`);
  return [
    "default-src 'none'",
    "img-src data:",
    "style-src 'unsafe-inline'",
    scripts.length > 0 ? `script-src ${hashes.join(" ")} 'wasm-unsafe-eval'` : "script-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** What was trained on what. */
function sentence({ config, summary, metrics }: RunFiles): string {
  const parameters = summary?.parameters ? ` with ${whole(summary.parameters)} parameters` : "";
  const epochs = summary?.epochs ?? metrics.at(-1)?.epoch ?? 0;
  const seconds = summary?.train_seconds ?? metrics.at(-1)?.seconds;
  const time = seconds === undefined ? "" : ` in ${duration(seconds)}`;
  return `The denoiser ${plainName(config.denoiser)}${parameters}, trained on ${plainName(config.dataset)} for ${
    whole(epochs)
  } ${epochs === 1 ? "epoch" : "epochs"}${time} by the ${config.recipe} recipe.`;
}

/** What could not be shown, and why. */
function notes({ notes }: RunReport): Html {
  return Html.join(notes.map((note) => html`<p class="warning">${note}</p>`));
}

/** Why a model has no part of the page, where that is no flaw. */
function notLive({ notLive }: RunReport): Html | undefined {
  return notLive === undefined ? undefined : html`<p class="note">${notLive}</p>`;
}

function figures({ figures }: RunFiles): Html | undefined {
  if (figures.length === 0) return undefined;
  const [wide, narrow] = [true, false].map((isWide) => figures.filter(({ width }) => width > WIDE === isWide));
  const names = figures.map(({ name }) => name);
  const isWhole = ["contours", "mse", "loss"].every((name) => names.includes(name));
  return html`
    <section>
      <h2>Figures</h2>
      ${wide.map((one) => figureHtml(one, CAPTIONS[one.name], isWhole && one.name === "overview"))}
      <div class="pair">
        ${narrow.map((one) => figureHtml(one, CAPTIONS[one.name]))}
      </div>
    </section>
  `;
}

/** Configuration, commands and versions. */
function rest({ files, settings, commands }: RunReport): Html {
  const own = settings.filter(({ isOwn }) => isOwn);
  const others = settings.filter(({ isOwn }) => !isOwn);
  return html`
    <section>
      <h2>Configuration</h2>
      <details open>
        <summary>Given, or decided by the task and the data</summary>
        ${settingsTable([{ name: "data", value: files.config.dataset, isOwn: true }, ...own])}
      </details>
      <details>
        <summary>Defaults</summary>
        ${settingsTable(others)}
      </details>
    </section>
    <section>
      <h2>Commands</h2>
      ${commands.map(({ what, command }) =>
        html`
          <p>${what}</p>
          ${code(command)}
        `
      )}
    </section>
    <section>
      <h2>How it was computed</h2>
      ${computationTable(files)}
    </section>
  `;
}

/** A command. The names of its options, in an element each, are not broken at their hyphens. */
function code(command: string): Html {
  const parts = command.split(/(?<= )(--[a-z0-9-]+)/).map((part, i) =>
    i % 2 === 0 ? html`${part}` : html`<span>${part}</span>`
  );
  return html`<pre tabindex="0"><code>${parts}</code></pre>`;
}

function settingsTable(settings: readonly Setting[]): Html {
  const rows = settings.map(({ name, value }) =>
    html`
      <tr>
        <th scope="row">${name}</th>
        <td>${value === "" ? "–" : value}</td>
      </tr>
    `
  );
  return html`
    <table class="settings">
      <tbody>${rows}</tbody>
    </table>
  `;
}
