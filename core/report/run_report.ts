import { UserError } from "../errors/user_error.ts";
import { NO_TRUST } from "../plugins/trust.ts";
import type { MseCurve } from "../evaluation/curve.ts";
import { lossFigure } from "../figures/loss.ts";
import { renderSvg } from "../figures/render.ts";
import { type OpenRun, openRun } from "../run/open_run.ts";
import { measureCurve } from "./curve.ts";
import { type LiveModel, liveModel } from "./live_model.ts";
import { readRunFiles, type RunFiles } from "./run_files.ts";
import { savedFigure } from "./saved_figure.ts";
import { commandsOf, type RunCommand, type Setting, settingsOf } from "./settings.ts";

/** What the page shows of one run. */
export interface RunReport {
  /** What it is called on the page, different for each run. */
  readonly label: string;
  readonly files: RunFiles;
  readonly settings: readonly Setting[];
  readonly commands: readonly RunCommand[];
  /** The error over log SNR, where it was asked for and the data is at hand. */
  readonly curve?: MseCurve;
  readonly live?: LiveModel;
  /** Why it is no model that a page evaluates, where that was asked for: a sentence. */
  readonly notLive?: string;
  /** What could not be shown, and why: sentences. */
  readonly notes: readonly string[];
}

/** What a report of runs holds besides what lies in their folders. */
export interface ReportOptions {
  /** Whether two-dimensional models are evaluated in the page. */
  readonly live: boolean;
  /** Whether the error over log SNR is measured, which loads the data. */
  readonly curves: boolean;
}

const NOT_LIVE = "The model is not evaluated in this page";

/**
 * Gathers what the page shows of a run.
 *
 * @param path The folder of a run, or of one of its checkpoints.
 * @throws {UserError} When it is no run, or its configuration or summary is damaged.
 */
export async function reportOf(path: string, label: string, { live, curves }: ReportOptions): Promise<RunReport> {
  const files = await withLoss(await readRunFiles(path));
  const notes: string[] = [];
  const trying = async <T>(what: string, make: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notes.push(`${what}: ${error.message}`);
      return undefined;
    }
  };
  if (!files.summary) notes.push(unfinished(files));
  const { checkpoint } = files;
  const shape = files.info?.shape;
  // A run that does not know its data is opened too: the error says why it cannot be.
  const isLive = live && (shape === undefined || shape.join() === "2" && !files.info?.table);
  const isPoints = shape === undefined || shape.length === 1;
  if (isLive && checkpoint === undefined) notes.push(`${NOT_LIVE}: the run has no checkpoint.`);
  const run: OpenRun | undefined = checkpoint !== undefined && (isLive || (curves && isPoints))
    ? await trying(
      "The model cannot be opened, nor evaluated in this page",
      () => openRun(checkpoint, { trust: NO_TRUST }),
    )
    : undefined;
  const model = run && isLive ? await trying(NOT_LIVE, () => liveModel(run)) : undefined;
  const curve = run && curves ? await trying("Its error is not shown", () => measureCurve(run)) : undefined;
  const settings = await settingsOf(files.config);
  const commands = commandsOf({
    config: files.config,
    path: files.folder.path,
    hasModel: checkpoint !== undefined,
    isFinished: files.summary !== undefined,
  }, settings);
  return {
    ...{ label, files, settings, commands, notes },
    ...(model ? { live: model } : {}),
    ...(live && shape && !isLive
      ? {
        notLive: files.info?.table
          ? `${NOT_LIVE}: its samples are rows of a table, not points of a plane.`
          : `${NOT_LIVE}: its samples are of shape [${shape.join(", ")}], not points of a plane.`,
      }
      : {}),
    ...(curve ? { curve } : {}),
  };
}

/** A run that is not finished has no figures yet, but its likelihood so far can be drawn. */
async function withLoss(files: RunFiles): Promise<RunFiles> {
  if (files.metrics.length === 0 || files.figures.some(({ name }) => name === "loss")) return files;
  const drawn = savedFigure(
    "loss",
    await renderSvg(lossFigure({
      title: `${files.name}: negative log likelihood`,
      epochs: files.metrics.map((m) => ({
        epoch: m.epoch,
        trainNll: m.train_nll,
        valNll: m.val_nll,
        valNllStderr: m.val_nll_stderr,
      })),
      ...(files.info?.entropy === undefined ? {} : { entropy: files.info.entropy }),
    })),
  );
  return drawn ? { ...files, figures: [...files.figures, drawn] } : files;
}

function unfinished({ metrics, config, checkpoint }: RunFiles): string {
  const done = metrics.at(-1)?.epoch ?? 0;
  const saved = checkpoint === undefined ? " It has no checkpoint yet." : "";
  return `This run is not finished: it has trained ${done} of ${config.epochs} epochs.${saved}`;
}
