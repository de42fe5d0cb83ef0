import { wideString } from "../../base/text.ts";
import { joinCommandLine } from "../../base/windows_command_line.ts";
import { type JobLimits, placeOf } from "./job_limits.ts";

/** A program that outlives the one that starts it. */
export interface DetachedProgram extends Disposable {
  /** Its exit code once it has ended. */
  readonly exitCode: number | undefined;
}

/** What is started, with all of its environment. */
export interface ProgramStart {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
}

/** Handles of a process that has not begun to run. */
interface SuspendedProcess {
  process: Deno.PointerValue;
  thread: Deno.PointerValue;
}

/** The functions of kernel32 that start processes. A HANDLE is a pointer or, where it is stored, a u64. */
const KERNEL32 = {
  CreateFileW: { parameters: ["buffer", "u32", "u32", "buffer", "u32", "u32", "pointer"], result: "pointer" },
  InitializeProcThreadAttributeList: { parameters: ["buffer", "u32", "u32", "buffer"], result: "i32" },
  UpdateProcThreadAttribute: {
    parameters: ["buffer", "u32", "usize", "buffer", "usize", "pointer", "pointer"],
    result: "i32",
  },
  DeleteProcThreadAttributeList: { parameters: ["buffer"], result: "void" },
  CreateProcessW: {
    parameters: [
      "buffer",
      "buffer",
      "pointer",
      "pointer",
      "i32",
      "u32",
      "buffer",
      "buffer",
      "buffer",
      "buffer",
    ],
    result: "i32",
  },
  ResumeThread: { parameters: ["pointer"], result: "u32" },
  TerminateProcess: { parameters: ["pointer", "u32"], result: "i32" },
  GetCurrentProcess: { parameters: [], result: "pointer" },
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
  WaitForSingleObject: { parameters: ["pointer", "u32"], result: "u32" },
  GetExitCodeProcess: { parameters: ["pointer", "buffer"], result: "i32" },
  IsProcessInJob: { parameters: ["pointer", "pointer", "buffer"], result: "i32" },
  QueryInformationJobObject: { parameters: ["pointer", "i32", "buffer", "u32", "pointer"], result: "i32" },
  GetLastError: { parameters: [], result: "u32" },
  CloseHandle: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const GENERIC_READ_WRITE = 0xC000_0000;
const SHARE_READ_WRITE = 3;
const OPEN_EXISTING = 3;
const INVALID_HANDLE = 0xFFFF_FFFF_FFFF_FFFFn;

const ATTRIBUTE_HANDLE_LIST = 0x0002_0002n;

const CREATE_SUSPENDED = 0x0000_0004;
const CREATE_NEW_PROCESS_GROUP = 0x0000_0200;
const CREATE_UNICODE_ENVIRONMENT = 0x0000_0400;
const EXTENDED_STARTUPINFO_PRESENT = 0x0008_0000;
const CREATE_BREAKAWAY_FROM_JOB = 0x0100_0000;
/**
 * A console that is not shown, rather than none: the programs the daemon starts, and those they start in turn, share it
 * and open no windows.
 */
const CREATE_NO_WINDOW = 0x0800_0000;

const STARTF_USESTDHANDLES = 0x100;

const QUERY_LIMITED_INFORMATION = 0x1000;
const SYNCHRONIZE = 0x0010_0000;
const WAIT_OBJECT_0 = 0;

/** JobObjectExtendedLimitInformation. */
const EXTENDED_LIMITS = 9;
const EXTENDED_LIMITS_BYTES = 144;
const LIMIT_FLAGS_OFFSET = 16;

/** Sizes and offsets of structures of 64-bit Windows. */
const STARTUPINFOEXW_BYTES = 112;
const STARTUPINFO_FLAGS = 60;
const STARTUPINFO_STDIN = 80;
const STARTUPINFO_ATTRIBUTES = 104;
const SECURITY_ATTRIBUTES_BYTES = 24;
const SECURITY_ATTRIBUTES_INHERIT = 16;

/** Starts programs on Windows with what `Deno.Command` cannot say. */
export class WindowsPrograms implements Disposable {
  readonly #kernel = Deno.dlopen("kernel32.dll", KERNEL32);

  /** What the job objects this process is in do to what it starts. */
  get job(): JobLimits {
    const { GetCurrentProcess, QueryInformationJobObject } = this.#kernel.symbols;
    if (!this.#isInJob(GetCurrentProcess())) return { isInJob: false };
    const limits = new DataView(new ArrayBuffer(EXTENDED_LIMITS_BYTES));
    const isKnown =
      QueryInformationJobObject(null, EXTENDED_LIMITS, limits.buffer, limits.byteLength, null) !== 0;
    return { isInJob: true, flags: isKnown ? limits.getUint32(LIMIT_FLAGS_OFFSET, true) : 0 };
  }

  /**
   * Starts a program in the place for it: outside of the job of this process where the job would end it.
   *
   * @returns undefined when it has to be started by another program for that
   * @throws when Windows refuses
   */
  start(start: ProgramStart): DetachedProgram | undefined {
    switch (placeOf(this.job)) {
      case "plain":
        return this.startInside(start);
      case "released":
        return this.#startAway(start, 0);
      case "breakaway":
        return this.#startAway(start, CREATE_BREAKAWAY_FROM_JOB);
      case "outside":
        return undefined;
    }
  }

  #startAway(start: ProgramStart, flags: number): DetachedProgram | undefined {
    const { TerminateProcess, ResumeThread, CloseHandle } = this.#kernel.symbols;
    let made: SuspendedProcess;
    try {
      made = this.#create(start, flags);
    } catch {
      return this.startInside(start);
    }
    const { process, thread } = made;
    // Jobs are nested: it may have left one and still be in another, whose limits cannot be read.
    const isHeld = this.#isInJob(process);
    if (isHeld) TerminateProcess(process, 1);
    else ResumeThread(thread);
    CloseHandle(thread);
    if (!isHeld) return this.#watched(process);
    CloseHandle(process);
    return undefined;
  }

  /**
   * As {@linkcode WindowsPrograms.start}, wherever this process is.
   *
   * @throws when Windows refuses
   */
  startInside(start: ProgramStart): DetachedProgram {
    const { process, thread } = this.#create(start, 0);
    this.#kernel.symbols.ResumeThread(thread);
    this.#kernel.symbols.CloseHandle(thread);
    return this.#watched(process);
  }

  /** A program that another one has started. */
  watch(pid: number): DetachedProgram {
    const process = this.#kernel.symbols.OpenProcess(QUERY_LIMITED_INFORMATION | SYNCHRONIZE, 0, pid);
    return process === null ? { exitCode: undefined, [Symbol.dispose]: () => {} } : this.#watched(process);
  }

  /** The programs that were started, which are watched through it, must have been disposed of. */
  [Symbol.dispose](): void {
    this.#kernel.close();
  }

  #isInJob(process: Deno.PointerValue): boolean {
    const result = new Int32Array(1);
    return this.#kernel.symbols.IsProcessInJob(process, null, result) !== 0 && result[0] !== 0;
  }

  #watched(process: Deno.PointerValue): DetachedProgram {
    const { WaitForSingleObject, GetExitCodeProcess, CloseHandle } = this.#kernel.symbols;
    return {
      get exitCode() {
        // The code is there before all that the process held is released.
        if (WaitForSingleObject(process, 0) !== WAIT_OBJECT_0) return undefined;
        const code = new Uint32Array(1);
        return GetExitCodeProcess(process, code) !== 0 ? code[0] : undefined;
      },
      [Symbol.dispose]: () => void CloseHandle(process),
    };
  }

  /** Creates a suspended process that inherits nothing of this one but the null device as its streams. */
  #create({ command, args, cwd, env }: ProgramStart, flags: number): SuspendedProcess {
    const { symbols } = this.#kernel;
    const nul = this.#openNull();
    const handles = new BigUint64Array(unmoved(8));
    handles[0] = Deno.UnsafePointer.value(nul);
    try {
      const attributes = this.#attributeList(handles);
      const startup = startupInfo(handles[0]!, attributes);
      const made = new BigUint64Array(3);
      const isMade = symbols.CreateProcessW(
        wideString(command),
        wideString(joinCommandLine(command, args)),
        null,
        null,
        1,
        flags | CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT |
          EXTENDED_STARTUPINFO_PRESENT | CREATE_NO_WINDOW,
        wideString(environmentBlock(env)),
        wideString(cwd),
        startup,
        made,
      );
      const error = symbols.GetLastError();
      symbols.DeleteProcThreadAttributeList(attributes);
      if (isMade === 0) throw new Error(`Windows does not start ${command} (error ${error})`);
      const [process, thread] = [made[0]!, made[1]!].map((handle) => Deno.UnsafePointer.create(handle));
      return { process: process!, thread: thread! };
    } finally {
      symbols.CloseHandle(nul);
    }
  }

  /** The null device as a handle that can be inherited. */
  #openNull(): Deno.PointerValue {
    const security = new DataView(new ArrayBuffer(SECURITY_ATTRIBUTES_BYTES));
    security.setUint32(0, SECURITY_ATTRIBUTES_BYTES, true);
    security.setInt32(SECURITY_ATTRIBUTES_INHERIT, 1, true);
    const nul = this.#kernel.symbols.CreateFileW(
      wideString("NUL"),
      GENERIC_READ_WRITE,
      SHARE_READ_WRITE,
      security.buffer,
      OPEN_EXISTING,
      0,
      null,
    );
    if (nul === null || Deno.UnsafePointer.value(nul) === INVALID_HANDLE) {
      throw new Error("the null device cannot be opened");
    }
    return nul;
  }

  /**
   * Lets only `handles` be inherited. Otherwise the daemon would hold the stdout of the client that has started this
   * process, which then never sees its end.
   */
  #attributeList(handles: BigUint64Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { symbols } = this.#kernel;
    const bytes = new BigUint64Array(1);
    symbols.InitializeProcThreadAttributeList(null, 1, 0, bytes);
    const list = new Uint8Array(unmoved(Number(bytes[0])));
    const isSet = symbols.InitializeProcThreadAttributeList(list, 1, 0, bytes) !== 0 &&
      symbols.UpdateProcThreadAttribute(
          list,
          0,
          ATTRIBUTE_HANDLE_LIST,
          handles,
          BigInt(handles.byteLength),
          null,
          null,
        ) !== 0;
    if (!isSet) throw new Error("Windows does not take the list of what is inherited");
    return list;
  }
}

/** Memory whose address is kept by the system: that of a small typed array may change when garbage is collected. */
function unmoved(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes);
}

function startupInfo(nul: bigint, attributes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  const info = new DataView(new ArrayBuffer(STARTUPINFOEXW_BYTES));
  info.setUint32(0, STARTUPINFOEXW_BYTES, true);
  info.setUint32(STARTUPINFO_FLAGS, STARTF_USESTDHANDLES, true);
  for (let n = 0; n < 3; n++) info.setBigUint64(STARTUPINFO_STDIN + 8 * n, nul, true);
  const list = Deno.UnsafePointer.value(Deno.UnsafePointer.of(attributes));
  info.setBigUint64(STARTUPINFO_ATTRIBUTES, list, true);
  return info.buffer;
}

/** The variables as Windows takes them: sorted, each with a NUL behind it, and a NUL at the end. */
function environmentBlock(env: Readonly<Record<string, string>>): string {
  const names = Object.keys(env).sort((a, b) => a.toUpperCase() < b.toUpperCase() ? -1 : 1);
  return names.length === 0 ? "\0" : names.map((name) => `${name}=${env[name]}\0`).join("");
}
