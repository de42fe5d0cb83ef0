import type { ReleaseTarget } from "./project.ts";

type System = Pick<ReleaseTarget, "os" | "cpu">;

const ELF_CPUS: Readonly<Record<number, System["cpu"]>> = { 0x3e: "x64", 0xb7: "arm64" };
const MACH_CPUS: Readonly<Record<number, System["cpu"]>> = { 0x01000007: "x64", 0x0100000c: "arm64" };
const PE_CPUS: Readonly<Record<number, System["cpu"]>> = { 0x8664: "x64", 0xaa64: "arm64" };

/**
 * The system a program runs on, by its header; undefined when it is of no format known here. `deno compile` puts a program
 * on the base it is given, whatever target it is told.
 */
export function systemOf(program: Uint8Array): System | undefined {
  if (program.length < 64) return undefined;
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (view.getUint32(0) === 0x7f454c46) return system("linux", ELF_CPUS[view.getUint16(18, true)]);
  if (view.getUint32(0, true) === 0xfeedfacf) return system("darwin", MACH_CPUS[view.getUint32(4, true)]);
  const header = view.getUint32(0x3c, true);
  if (view.getUint16(0) !== 0x4d5a || header + 6 > program.length) return undefined;
  if (view.getUint32(header) !== 0x50450000) return undefined;
  return system("win32", PE_CPUS[view.getUint16(header + 4, true)]);
}

function system(os: System["os"], cpu: System["cpu"] | undefined): System | undefined {
  return cpu && { os, cpu };
}
