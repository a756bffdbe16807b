import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Waits until something is so in a folder, told by the system of every change below it.
 *
 * @param folder It need not be there yet.
 * @param child Whose work it is: if it ends before, that is the error.
 */
async function until(folder: string, isSo: () => boolean, child?: Deno.ChildProcess): Promise<void> {
  const watched = nearest(folder);
  const watcher = Deno.watchFs(watched, { recursive: true });
  let isOpen = true;
  const close = () => {
    if (isOpen) watcher.close();
    isOpen = false;
  };
  child?.status.then(close);
  try {
    if (isSo()) return;
    // Below a new folder the system tells of changes from a moment after it was made on, so that it is watched itself.
    if (nearest(folder) !== watched) return await until(folder, isSo, child);
    for await (const _ of watcher) {
      if (isSo()) return;
      if (nearest(folder) !== watched) return await until(folder, isSo, child);
    }
    if (!isSo()) throw new Error(`The process ended before ${folder} was as it should be.`);
  } finally {
    close();
  }
}

/** The folder itself, or the first one above it that is there. */
function nearest(folder: string): string {
  return existsSync(folder) ? folder : nearest(dirname(folder));
}

/** Waits until a file is there and its text is as it should be. */
export function untilFile(
  path: string,
  isReady: (text: string) => boolean = () => true,
  child?: Deno.ChildProcess,
): Promise<void> {
  return until(dirname(path), () => existsSync(path) && isReady(Deno.readTextFileSync(path)), child);
}

/** Waits until the names of what lies in a folder are as they should be. */
export function untilNames(
  folder: string,
  areReady: (names: readonly string[]) => boolean,
  child?: Deno.ChildProcess,
): Promise<void> {
  return until(folder, () => existsSync(folder) && areReady(readdirSync(folder)), child);
}

/** So many lines that end. */
export function hasLines(count: number): (text: string) => boolean {
  return (text) => text.split("\n").length > count;
}

/** Reads a stream of text up to where a pattern stands in it. What follows is read by calling it again. */
export function reader(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const parts = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async until(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) {
        const { done, value } = await parts.read();
        if (done) throw new Error(`The output ended before ${pattern}: ${text}`);
        text += value;
      }
      return text;
    },
    /** All of it. */
    async rest(): Promise<string> {
      for (;;) {
        const { done, value } = await parts.read();
        if (done) return text;
        text += value;
      }
    },
  };
}
