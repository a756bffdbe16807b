/** The first import of every task: Ctrl-C is heard while its other modules are loaded. */
import { listenEarly } from "./interrupt.ts";

listenEarly();
