import type { Progress } from "./progress.ts";

/** What was said to the user while something was loaded. */
export interface Notes {
  /** Each once, in order. */
  readonly notes: readonly string[];
  readonly onNote: (note: string) => void;
}

/** Prints each note as a line beside a task's progress, and keeps it for the task's summary. */
export function takeNotes(progress: Pick<Progress, "note">): Notes {
  const notes: string[] = [];
  return {
    notes,
    onNote(note) {
      // Messages may quote file names, in which anything may be that steers a terminal.
      const line = note.replaceAll(/\s*[\r\n]\s*/g, " ").replaceAll(/\p{Cc}/gu, "\ufffd");
      if (notes.includes(line)) return;
      notes.push(line);
      progress.note(line);
    },
  };
}
