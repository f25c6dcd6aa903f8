import type en from '../en/timeline';

export default {} satisfies typeof en;
