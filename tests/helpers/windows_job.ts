/** A job object of Windows, with its limits, which ends all it holds when it is disposed of. */
export function windowsJob(flags: number) {
  const kernel = Deno.dlopen("kernel32.dll", {
    CreateJobObjectW: { parameters: ["pointer", "pointer"], result: "pointer" },
    SetInformationJobObject: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
    AssignProcessToJobObject: { parameters: ["pointer", "pointer"], result: "i32" },
    TerminateJobObject: { parameters: ["pointer", "u32"], result: "i32" },
    OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
    CloseHandle: { parameters: ["pointer"], result: "i32" },
  });
  const { symbols } = kernel;
  const job = symbols.CreateJobObjectW(null, null);
  const limits = new DataView(new ArrayBuffer(144));
  limits.setUint32(16, flags, true);
  symbols.SetInformationJobObject(job, 9, limits.buffer, limits.byteLength);
  return {
    hold(pid: number): void {
      const process = symbols.OpenProcess(0x0101, 0, pid);
      if (symbols.AssignProcessToJobObject(job, process) === 0) {
        throw new Error("it cannot be put into the job");
      }
      symbols.CloseHandle(process);
    },
    [Symbol.dispose](): void {
      symbols.TerminateJobObject(job, 1);
      symbols.CloseHandle(job);
      kernel.close();
    },
  };
}
