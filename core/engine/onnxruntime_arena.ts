import { adviseLargePages } from "./large_pages.ts";
import { strings, text } from "./c_strings.ts";
import type { Functions } from "./onnxruntime_api.ts";

/** The kind of a memory whose allocator is an arena. */
const ARENA = 1;

/** How much larger than what a run needs the arena is made, for gaps. */
const ARENA_FACTOR = 1.5;

/** The first piece is at most so large, as ONNX Runtime holds its size as an int. */
const MAX_PIECE_BYTES = 2 ** 31 - 256;

/** Of what does not fit in, the next piece is as large, the one after it twice that, and so on up to here. */
const MAX_LATER_BYTES = 2 ** 40;

/** A chunk of the arena is split where more is left over, which is a small value's size. */
const MAX_UNUSED_BYTES = 1 << 16;

/** A function that writes what it makes to its last argument. */
export type Create = (out: BigUint64Array<ArrayBuffer>) => Deno.PointerValue;

/**
 * The processor's memory that sessions have in common, from the first of them to the last. It is made as one piece, of which
 * only what values have lain in takes memory, so that they fit together: in pieces that grow as they are needed a U-Net's
 * step takes a quarter more.
 */
export function arenaOf(ort: Functions, env: Deno.PointerObject, made: (create: Create) => Deno.PointerObject) {
  const memory = made((out) => ort.CreateMemoryInfo(text("Cpu"), ARENA, 0, 0, out));
  let users = 0, isOwn = false, isAdvised = false;
  const isDone = (status: Deno.PointerValue) => {
    if (status !== null) ort.ReleaseStatus(status);
    return status === null;
  };
  const register = (bytes: number) => {
    const settings = {
      // Windows counts all of a piece as taken.
      ...(Deno.build.os === "windows" ? {} : {
        ...{
          initial_chunk_size_bytes: Math.min(MAX_PIECE_BYTES, Math.ceil(ARENA_FACTOR * bytes)),
          initial_growth_chunk_size_bytes: MAX_PIECE_BYTES,
        },
        max_power_of_two_extend_bytes: MAX_LATER_BYTES,
      }),
      max_dead_bytes_per_chunk: MAX_UNUSED_BYTES,
    };
    const keys = strings(Object.keys(settings)), values = BigUint64Array.from(Object.values(settings), BigInt);
    const arena = made((out) => ort.CreateArenaCfgV2(keys.pointers, values, BigInt(values.length), out));
    // Another part of the process may have made it.
    const isNew = isDone(ort.CreateAndRegisterAllocator(env, memory, arena));
    ort.ReleaseArenaCfg(arena);
    return isNew;
  };
  return {
    /** @param bytes That a session's run needs at least. @returns What it calls at its end. */
    take(bytes: number): () => void {
      if (users++ === 0) [isOwn, isAdvised] = [register(bytes), false];
      return () => {
        if (--users === 0 && isOwn) isDone(ort.UnregisterAllocator(env, memory));
      };
    },
    /**
     * Lets the first of the sessions have it in large pages.
     *
     * @param session One that takes it, made.
     */
    advise(session: Deno.PointerObject, bytes: number): void {
      if (isAdvised) return;
      isAdvised = true;
      const out = new BigUint64Array(1);
      if (!isDone(ort.CreateAllocator(session, memory, out))) return;
      const allocator = Deno.UnsafePointer.create(out[0])!;
      if (isDone(ort.AllocatorAlloc(allocator, 1n, out))) {
        const place = Deno.UnsafePointer.create(out[0])!;
        adviseLargePages(place, Math.min(bytes, MAX_PIECE_BYTES));
        isDone(ort.AllocatorFree(allocator, place));
      }
      ort.ReleaseAllocator(allocator);
    },
  };
}
