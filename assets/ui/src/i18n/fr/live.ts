import type en from '../en/live';

export default {} satisfies typeof en;
