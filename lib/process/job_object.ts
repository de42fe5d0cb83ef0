/** The functions of kernel32 for job objects. A HANDLE is a pointer, a BOOL an i32, a DWORD a u32. */
const KERNEL32 = {
  CreateJobObjectW: { parameters: ["pointer", "pointer"], result: "pointer" },
  SetInformationJobObject: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
  AssignProcessToJobObject: { parameters: ["pointer", "pointer"], result: "i32" },
  TerminateJobObject: { parameters: ["pointer", "u32"], result: "i32" },
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
  CloseHandle: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const PROCESS_TERMINATE = 0x0001;
const PROCESS_SET_QUOTA = 0x0100;

/** JobObjectExtendedLimitInformation and the size of its structure on 64-bit Windows. */
const EXTENDED_LIMITS = 9;
const EXTENDED_LIMITS_BYTES = 144;
const LIMIT_FLAGS_OFFSET = 16;
const KILL_ON_JOB_CLOSE = 0x2000;

/** A process and its descendants, which Windows ends when the last handle is closed. */
export interface Job {
  /** @returns whether it succeeded */
  terminate(): boolean;
  close(): void;
}

/** Job objects of Windows. Each ends with this process, however that ends. */
export class JobObjects {
  readonly #library = Deno.dlopen("kernel32.dll", KERNEL32);

  /** Creates a job with the process `pid`; undefined when Windows refuses. */
  create(pid: number): Job | undefined {
    const { symbols } = this.#library;
    const job = symbols.CreateJobObjectW(null, null);
    if (job === null) return undefined;
    const limits = new DataView(new ArrayBuffer(EXTENDED_LIMITS_BYTES));
    limits.setUint32(LIMIT_FLAGS_OFFSET, KILL_ON_JOB_CLOSE, true);
    const process = symbols.OpenProcess(PROCESS_TERMINATE | PROCESS_SET_QUOTA, 0, pid);
    const isHeld = process !== null &&
      symbols.SetInformationJobObject(job, EXTENDED_LIMITS, limits.buffer, limits.byteLength) !== 0 &&
      symbols.AssignProcessToJobObject(job, process) !== 0;
    if (process !== null) symbols.CloseHandle(process);
    if (!isHeld) {
      symbols.CloseHandle(job);
      return undefined;
    }
    return {
      terminate: () => symbols.TerminateJobObject(job, 1) !== 0,
      close: () => void symbols.CloseHandle(job),
    };
  }

  close(): void {
    this.#library.close();
  }
}
