import { UsageError } from "../../core/errors/usage_error.ts";

/** Before a write, when half of its bytes are written, or after it. */
export type When = "before" | "within" | "after";

/** When a process is stopped: so long after its start, or at one of its writes, counted from 1. */
export type Moment =
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "write"; readonly at: number; readonly when: When };

/** How a process is stopped: by signals, one right after the other. */
export interface Stop {
  readonly signals: readonly Deno.Signal[];
  readonly moment: Moment;
  /** Whether it is a process that the task has started which they are sent to. */
  readonly ofChild?: boolean;
}

const CHILD = "child:";

/** Stops, the second of the process that goes on after the first, as in `KILL@17.within,INT+TERM@850ms,child:KILL@9ms`. */
export function stopsText(stops: readonly Stop[]): string {
  return stops.map(({ signals, moment, ofChild }) => {
    const when = moment.kind === "time" ? `${Math.round(moment.ms)}ms` : `${moment.at}.${moment.when}`;
    return `${ofChild ? CHILD : ""}${signals.map((signal) => signal.slice("SIG".length)).join("+")}@${when}`;
  }).join(",");
}

/** What {@linkcode stopsText} writes. @throws {UsageError} */
export function parseStops(text: string): Stop[] {
  return text.split(",").map((part) => {
    const [, child, names, ms, at, when] =
      /^(child:)?([A-Z0-9+]+)@(?:(\d+)ms|(\d+)\.(before|within|after))$/.exec(part.trim()) ?? [];
    if (names === undefined) {
      throw new UsageError(`--repeat has ${JSON.stringify(part)}, expected as in KILL@17.within or INT+TERM@850ms.`);
    }
    const signals = names.split("+").map((name) => `SIG${name}` as Deno.Signal);
    const moment: Moment = ms === undefined
      ? { kind: "write", at: Number(at), when: when as When }
      : { kind: "time", ms: Number(ms) };
    return { signals, moment, ...(child ? { ofChild: true } : {}) };
  });
}
