/**
 * The first import of every task: Ctrl-C is heard while its other modules are loaded, and a file that grows beyond the
 * process's limit (`ulimit -f`) is an error of who writes it, where by itself the system would end the process.
 */
import { listenEarly } from "./interrupt.ts";

listenEarly();
if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
