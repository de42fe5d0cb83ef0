import { dirname } from "@std/path/dirname";
import { runManager } from "../../client/installed_service.ts";
import type { ServiceFile, ServicePlan } from "./plan.ts";

/** Others may know what runs; launchd demands that they cannot change it. */
const READABLE = 0o644;

/** Writes the files of a service. */
export async function writeServiceFiles({ files }: Pick<ServicePlan, "files">): Promise<void> {
  for (const file of files) {
    await Deno.mkdir(dirname(file.path), { recursive: true });
    await Deno.writeFile(file.path, bytesOf(file), { mode: READABLE });
  }
}

/** Stops a service and takes away all of it, whatever of it is there; the paths of the files that were. */
export async function removeService({ disable, files, forget }: ServicePlan): Promise<string[]> {
  for (const command of disable) await runManager(command);
  const removed: string[] = [];
  for (const { path } of files) {
    await Deno.remove(path).then(() => removed.push(path), () => {});
  }
  for (const command of forget) await runManager(command);
  return removed;
}

function bytesOf({ text, encoding }: ServiceFile): Uint8Array<ArrayBuffer> {
  if (encoding !== "utf-16") return new TextEncoder().encode(text);
  const units = `\ufeff${text}`;
  const view = new DataView(new ArrayBuffer(2 * units.length));
  for (let i = 0; i < units.length; i++) view.setUint16(2 * i, units.charCodeAt(i), true);
  return new Uint8Array(view.buffer);
}
