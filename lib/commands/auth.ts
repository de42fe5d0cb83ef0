import type { CommandGroup } from "./command.ts";
import { loginAction } from "./auth_actions/login.ts";
import { logoutAction } from "./auth_actions/logout.ts";
import { statusAction } from "./auth_actions/status.ts";

export const authCommand: CommandGroup = {
  summary: "Sign in to servers behind URLs and out of them, for every window, and show the accounts",
  about: [
    "One login serves every window of this machine. The tokens are kept encrypted in the state directory, and no window " +
    "and no server is told them.",
  ],
  actions: { login: loginAction, status: statusAction, logout: logoutAction },
  fallback: "status",
};
