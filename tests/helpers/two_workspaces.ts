import { join } from "@std/path";

/** Directories of two projects: `p`, a directory below it, a link to it, and `q`; and one for a daemon's state. */
export interface Workspaces extends AsyncDisposable {
  p: string;
  below: string;
  link: string;
  q: string;
  home: string;
}

export async function twoWorkspaces(): Promise<Workspaces> {
  const dir = await Deno.makeTempDir({ prefix: "exai-workspaces-" });
  const [p, q, link, home] = ["p", "q", "link", "home"].map((name) => join(dir, name)) as string[];
  const below = join(p!, "below");
  await Promise.all([Deno.mkdir(below, { recursive: true }), Deno.mkdir(q!), Deno.mkdir(home!)]);
  await Deno.symlink(p!, link!, { type: "dir" });
  return {
    p: p!,
    below,
    link: link!,
    q: q!,
    home: home!,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** Step `step_number` of a plan of three. */
export function planStep(step_number: number, step: string, more: Record<string, unknown> = {}) {
  return { step, step_number, total_steps: 3, next_step_required: step_number < 3, ...more };
}
