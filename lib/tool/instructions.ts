/** What a client puts into its model's context once, to say how EXAI's own tools are meant (MCP lifecycle, `instructions`). */
export const INSTRUCTIONS =
  "EXAI's own tools that take step_number work in steps: each answer says what to do before the next step " +
  "(required_actions) and gives the call that goes on (next_call); keep its continuation_id. With the last step most " +
  "of them ask another model. chat and consensus ask models at once; challenge makes you re-examine a claim; " +
  "listmodels shows what can be asked.";
