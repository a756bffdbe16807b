/** The number of SIGHUP on every Unix. */
const SIGHUP = 1;

/** What `signal` returns, and is given, for a signal that is ignored. */
const IGNORED = 1n;

/** The C library by Deno's name of the system. */
const LIBRARIES: Readonly<Record<string, string>> = { linux: "libc.so.6", darwin: "libSystem.B.dylib" };

/**
 * Whether the process is to live on when its terminal goes, as under `nohup`, which starts it with SIGHUP ignored. Who
 * listens to the signal would no longer be deaf to it.
 */
export function isHangupIgnored(): boolean {
  const library = LIBRARIES[Deno.build.os];
  // Asked for, not demanded: the answer is not worth a prompt.
  if (library === undefined || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return unknown();
  try {
    const libc = Deno.dlopen(
      library,
      { sigaction: { parameters: ["i32", "pointer", "buffer"], result: "i32" } } as const,
    );
    // The structure begins with what handles the signal.
    const action = new BigUint64Array(64);
    const failed = libc.symbols.sigaction(SIGHUP, null, action) !== 0;
    libc.close();
    return failed ? unknown() : action[0] === IGNORED;
  } catch {
    return unknown();
  }
}

/** Without an answer a process that has no terminal may be one that `nohup` started. */
function unknown(): boolean {
  return !Deno.stdin.isTerminal();
}
