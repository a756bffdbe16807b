/** Fetches the model of its first argument and prints the path of its weights. */
import { fetchModel } from "../../../core/hub/mod.ts";

console.log((await fetchModel(Deno.args[0])).weights);
