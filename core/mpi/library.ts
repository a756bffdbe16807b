import { messageOf, UserError } from "../errors/user_error.ts";
import type { Place } from "./environment.ts";
import { type Sign, SIGNS, type Signs } from "./watch.ts";

/** An MPI library that is missing, or refuses. */
export class MpiError extends UserError {
  override readonly exitCode = 1;
}

/** Handles and pointers are passed as numbers of 64 bits; where a C function takes an int, its low half is read. */
const SYMBOLS = {
  MPI_Get_library_version: { parameters: ["buffer", "buffer"], result: "i32" },
  MPI_Init_thread: { parameters: ["pointer", "pointer", "i32", "buffer"], result: "i32" },
  MPI_Comm_rank: { parameters: ["u64", "buffer"], result: "i32" },
  MPI_Comm_size: { parameters: ["u64", "buffer"], result: "i32" },
  MPI_Comm_set_errhandler: { parameters: ["u64", "u64"], result: "i32" },
  MPI_Error_string: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  MPI_Allreduce: {
    parameters: ["u64", "buffer", "i32", "u64", "u64", "u64"],
    result: "i32",
    nonblocking: true,
  },
  MPI_Isend: { parameters: ["pointer", "i32", "u64", "i32", "i32", "u64", "buffer"], result: "i32" },
  MPI_Request_free: { parameters: ["buffer"], result: "i32" },
  MPI_Iprobe: { parameters: ["i32", "i32", "u64", "buffer", "buffer"], result: "i32" },
  MPI_Recv: { parameters: ["pointer", "i32", "u64", "i32", "i32", "u64", "buffer"], result: "i32" },
  MPI_Finalize: { parameters: [], result: "i32", nonblocking: true },
} as const;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** What names of MPI's constants stand for in a library. */
interface Constants {
  readonly world: bigint;
  readonly float: bigint;
  readonly double: bigint;
  readonly sum: bigint;
  readonly inPlace: bigint;
  readonly errorsReturn: bigint;
}

/** MPICH and what shares its binary interface (Intel MPI, MVAPICH, Cray MPICH, Microsoft MPI); from its mpi.h. */
const MPICH: Constants = {
  world: 0x44000000n,
  float: 0x4c00040an,
  double: 0x4c00080bn,
  sum: 0x58000003n,
  inPlace: 0xffff_ffff_ffff_ffffn,
  errorsReturn: 0x54000001n,
};

/** Open MPI's constants are the addresses of these. */
const OPEN_MPI = {
  world: "ompi_mpi_comm_world",
  float: "ompi_mpi_float",
  double: "ompi_mpi_double",
  sum: "ompi_mpi_op_sum",
  errorsReturn: "ompi_mpi_errors_return",
} as const;

const SUCCESS = 0;

/** One call at a time, from any thread; and any number of them. */
const THREAD_SERIALIZED = 2, THREAD_MULTIPLE = 3;

/** Lengths of texts that a library writes, at least as large as any's constants say. */
const VERSION_BYTES = 8192;
const ERROR_BYTES = 1024;

/** Of a handle to a request, and of a status, at least as large as any library's. */
const REQUEST_BYTES = 8;
const STATUS_BYTES = 64;

/** The names that libraries of each kind go by, the likeliest first. */
const NAMES: Readonly<Record<Place["family"], Readonly<Partial<Record<typeof Deno.build.os, readonly string[]>>>>> = {
  openmpi: {
    linux: ["libmpi.so.40", "libmpi.so", "libmpi.so.80"],
    darwin: ["libmpi.40.dylib", "libmpi.dylib", "/opt/homebrew/lib/libmpi.dylib", "/usr/local/lib/libmpi.dylib"],
  },
  mpich: {
    linux: ["libmpich.so.12", "libmpi.so.12", "libmpi.so"],
    darwin: ["libmpi.12.dylib", "libmpi.dylib", "/opt/homebrew/lib/libmpi.dylib", "/usr/local/lib/libmpi.dylib"],
    windows: ["msmpi.dll"],
  },
};

/** An MPI library, initialised; all ranks of the job have called it. */
export interface Mpi {
  readonly rank: number;
  readonly size: number;
  /** What the library says it is, on one line. */
  readonly version: string;
  /**
   * Adds up over all ranks, in place. One call at a time, in the same order on every rank.
   *
   * @throws {MpiError}
   */
  sum(values: Float32Array | Float64Array): Promise<void>;
  /** What ranks tell each other while sums are under way; none where the library cannot do both. */
  readonly signs?: Signs;
  /** Leaves the job in good order; waits until all ranks do. */
  finalize(): Promise<void>;
}

/**
 * Loads and initialises the system's MPI library.
 *
 * @param place As the launcher says.
 * @param named A file to load in place of the usual names.
 * @throws {MpiError} When there is none, it is of another kind than the launcher, or does not start.
 */
export function startMpi(place: Place, named?: string): Mpi {
  const { symbols, constants, version } = load(place, named);
  const check = (what: string, code: number) => {
    if (code === SUCCESS) return;
    const [text, length] = [new Uint8Array(ERROR_BYTES), new Int32Array(1)];
    symbols.MPI_Error_string(code, text, length);
    throw new MpiError(`${what} failed: ${new TextDecoder().decode(text.subarray(0, length[0])).trim()}.`);
  };
  const provided = new Int32Array(1);
  check("MPI_Init_thread", symbols.MPI_Init_thread(null, null, THREAD_MULTIPLE, provided));
  if (provided[0] < THREAD_SERIALIZED) {
    throw new MpiError(`${version} cannot be called from several threads. Name another with --mpi-library.`);
  }
  const { world, sum, inPlace } = constants;
  check("MPI_Comm_set_errhandler", symbols.MPI_Comm_set_errhandler(world, constants.errorsReturn));
  const [rank, size] = (["MPI_Comm_rank", "MPI_Comm_size"] as const).map((name) => {
    const out = new Int32Array(1);
    check(name, symbols[name](world, out));
    return out[0];
  });
  if (rank !== place.rank || size !== place.size) {
    throw new MpiError(
      `${version} says that this is rank ${rank} of ${size}, but the launcher says ${place.rank} of ${place.size}. ` +
        "Name the library that belongs to the launcher with --mpi-library.",
    );
  }
  return {
    ...{ rank, size, version },
    ...(provided[0] >= THREAD_MULTIPLE ? { signs: signsOf(symbols, constants, size, check) } : {}),
    async sum(values) {
      const type = values instanceof Float32Array ? constants.float : constants.double;
      const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
      check("MPI_Allreduce", await symbols.MPI_Allreduce(inPlace, bytes, values.length, type, sum, world));
    },
    async finalize() {
      check("MPI_Finalize", await symbols.MPI_Finalize());
    },
  };
}

/** Signs as messages without contents, of which the tag says all. */
function signsOf(
  symbols: Symbols,
  { world, double }: Constants,
  size: number,
  check: (what: string, code: number) => void,
): Signs {
  const status = new Uint8Array(STATUS_BYTES), found = new Int32Array(1);
  const tagOf = (sign: Sign) => 1 + SIGNS.indexOf(sign);
  return {
    send(rank, sign) {
      const request = new Uint8Array(REQUEST_BYTES);
      check("MPI_Isend", symbols.MPI_Isend(null, 0, double, rank, tagOf(sign), world, request));
      // Nothing has to be kept for it, so that nobody has to know when it has arrived.
      check("MPI_Request_free", symbols.MPI_Request_free(request));
    },
    received(sign) {
      const from: number[] = [];
      // Each rank by itself: where a status says whose a message is, libraries differ.
      for (let rank = 0; rank < size; rank++) {
        for (;;) {
          check("MPI_Iprobe", symbols.MPI_Iprobe(rank, tagOf(sign), world, found, status));
          if (found[0] === 0) break;
          check("MPI_Recv", symbols.MPI_Recv(null, 0, double, rank, tagOf(sign), world, status));
          if (!from.includes(rank)) from.push(rank);
        }
      }
      return from;
    },
  };
}

function load(place: Place, named: string | undefined): {
  readonly symbols: Symbols;
  readonly constants: Constants;
  readonly version: string;
} {
  const names = named === undefined ? NAMES[place.family][Deno.build.os] ?? [] : [named];
  const errors: string[] = [];
  for (const name of names) {
    let symbols: Symbols;
    try {
      symbols = Deno.dlopen(name, SYMBOLS).symbols;
    } catch (error) {
      errors.push(messageOf(error));
      continue;
    }
    const version = versionOf(symbols);
    const isOpenMpi = version.startsWith("Open MPI");
    if (isOpenMpi !== (place.family === "openmpi")) {
      errors.push(`${name} is ${version}`);
      continue;
    }
    return { symbols, version, constants: isOpenMpi ? openMpiConstants(name) : MPICH };
  }
  const family = place.family === "openmpi" ? "Open MPI" : "MPICH";
  throw new MpiError(
    `This is rank ${place.rank} of ${place.size} of a job of ${family}, but its library was not found ` +
      `(${named ?? names.join(", ")}${errors.length > 0 ? `: ${errors[errors.length - 1]}` : ""}). ` +
      "Install it, or name its file with --mpi-library.",
  );
}

function versionOf(symbols: Symbols): string {
  const [text, length] = [new Uint8Array(VERSION_BYTES), new Int32Array(1)];
  symbols.MPI_Get_library_version(text, length);
  const whole = new TextDecoder().decode(text.subarray(0, length[0]));
  return whole.split(/[\n,]/)[0].replaceAll(/[\s\0]+/g, " ").replace(" Version:", "").trim();
}

function openMpiConstants(name: string): Constants {
  const address = openGlobally(name);
  const { world, float, double, sum, errorsReturn } = OPEN_MPI;
  return {
    ...{ world: address(world), float: address(float), double: address(double), sum: address(sum), inPlace: 1n },
    errorsReturn: address(errorsReturn),
  };
}

/**
 * Opens a library so that the plugins that it loads find its symbols, which Open MPI's may need and `Deno.dlopen` does
 * not do. Returns a function that gives symbols' addresses.
 */
function openGlobally(name: string): (symbol: string) => bigint {
  const isMac = Deno.build.os === "darwin";
  const { symbols: c } = Deno.dlopen(isMac ? "libSystem.dylib" : "libc.so.6", {
    dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
    dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
  });
  const text = (s: string) => new TextEncoder().encode(`${s}\0`);
  const RTLD_NOW = 2, RTLD_GLOBAL = isMac ? 8 : 0x100;
  const handle = c.dlopen(text(name), RTLD_NOW | RTLD_GLOBAL);
  if (handle === null) throw new MpiError(`${name} cannot be opened for its plugins. Name another with --mpi-library.`);
  return (symbol) => {
    const pointer = c.dlsym(handle, text(symbol));
    if (pointer === null) throw new MpiError(`${name} has no ${symbol}. Name another with --mpi-library.`);
    return BigInt(Deno.UnsafePointer.value(pointer));
  };
}
