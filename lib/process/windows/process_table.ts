/** A process of Windows. */
interface WindowsProcess {
  pid: number;
  ppid: number;
  /** When it was started, in units of 100 ns; empty where that cannot be read. */
  startedAt: string;
  rssBytes: number;
}

/** The functions of kernel32 that list processes. A HANDLE is a pointer, a BOOL an i32, a DWORD a u32. */
const KERNEL32 = {
  CreateToolhelp32Snapshot: { parameters: ["u32", "u32"], result: "pointer" },
  Process32FirstW: { parameters: ["pointer", "buffer"], result: "i32" },
  Process32NextW: { parameters: ["pointer", "buffer"], result: "i32" },
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
  GetProcessTimes: { parameters: ["pointer", "buffer", "buffer", "buffer", "buffer"], result: "i32" },
  K32GetProcessMemoryInfo: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  CloseHandle: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Kernel32 = Deno.DynamicLibrary<typeof KERNEL32>["symbols"];

const TH32CS_SNAPPROCESS = 2;
const INVALID_HANDLE = 0xFFFF_FFFF_FFFF_FFFFn;
const QUERY_LIMITED_INFORMATION = 0x1000;
const VM_READ = 0x0010;

/** PROCESSENTRY32W of 64-bit Windows. */
const ENTRY_BYTES = 568;
const ENTRY_PID = 8;
const ENTRY_PARENT = 32;

/** PROCESS_MEMORY_COUNTERS of 64-bit Windows. */
const COUNTERS_BYTES = 72;
const WORKING_SET = 16;

/** Every process: milliseconds, where PowerShell needs seconds of a core. */
export function readWindowsTable(): WindowsProcess[] {
  using kernel = openKernel32();
  const rows = listProcesses(kernel.symbols).map((row) => ({
    ...row,
    ...detailsOf(row.pid, kernel.symbols),
  }));
  return withoutReusedParents(rows);
}

function openKernel32() {
  const library = Deno.dlopen("kernel32.dll", KERNEL32);
  return { symbols: library.symbols, [Symbol.dispose]: () => library.close() };
}

function listProcesses(kernel: Kernel32): { pid: number; ppid: number }[] {
  const snapshot = kernel.CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  if (snapshot === null || Deno.UnsafePointer.value(snapshot) === INVALID_HANDLE) return [];
  const entry = new DataView(new ArrayBuffer(ENTRY_BYTES));
  entry.setUint32(0, ENTRY_BYTES, true);
  const found: { pid: number; ppid: number }[] = [];
  for (
    let isThere = kernel.Process32FirstW(snapshot, entry.buffer);
    isThere !== 0;
    isThere = kernel.Process32NextW(snapshot, entry.buffer)
  ) {
    found.push({ pid: entry.getUint32(ENTRY_PID, true), ppid: entry.getUint32(ENTRY_PARENT, true) });
  }
  kernel.CloseHandle(snapshot);
  return found;
}

/** Start and memory of a process; empty for one of another user, or one that has ended. */
function detailsOf(pid: number, kernel: Kernel32): { startedAt: string; rssBytes: number } {
  const process = kernel.OpenProcess(QUERY_LIMITED_INFORMATION | VM_READ, 0, pid);
  if (process === null) return { startedAt: "", rssBytes: 0 };
  try {
    const created = new BigUint64Array(1);
    const other = () => new BigUint64Array(1);
    const hasTimes = kernel.GetProcessTimes(process, created, other(), other(), other()) !== 0;
    const counters = new DataView(new ArrayBuffer(COUNTERS_BYTES));
    counters.setUint32(0, COUNTERS_BYTES, true);
    const hasMemory = kernel.K32GetProcessMemoryInfo(process, counters.buffer, COUNTERS_BYTES) !== 0;
    return {
      startedAt: hasTimes ? String(created[0]) : "",
      rssBytes: hasMemory ? Number(counters.getBigUint64(WORKING_SET, true)) : 0,
    };
  } finally {
    kernel.CloseHandle(process);
  }
}

/**
 * `rows`, in which no process is the child of one that was started later: Windows gives the id of a parent that has
 * ended to another process, and a server with that id would be charged for strangers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withoutReusedParents } from "./process_table.ts";
 *
 * const row = (pid: number, ppid: number, startedAt: string) => ({ pid, ppid, startedAt, rssBytes: 0 });
 * const rows = [row(4, 0, "900"), row(8, 4, "1000"), row(12, 4, "100")];
 * assertEquals(withoutReusedParents(rows).map(({ ppid }) => ppid), [0, 4, 0]);
 * ```
 */
export function withoutReusedParents(rows: readonly WindowsProcess[]): WindowsProcess[] {
  const startOf = new Map(rows.map(({ pid, startedAt }) => [pid, BigInt(startedAt || 0)]));
  return rows.map((row) => {
    const parentStart = startOf.get(row.ppid) ?? 0n;
    return row.startedAt !== "" && parentStart > BigInt(row.startedAt) ? { ...row, ppid: 0 } : row;
  });
}
