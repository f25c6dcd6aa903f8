/** The sentences of the box by their codes. The box itself writes English, so there is nothing to say here. */
const said: Record<string, string> = {};

export default said;
