import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Bytes of this isolate's heap that something still refers to: unlike resident memory, the same in every run. */
export async function liveHeapBytes(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  // The first turn of the event loop releases what the last message left; finalizers run in the next.
  for (let times = 0; times < 2; times++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
  }
  return Deno.memoryUsage().heapUsed;
}
