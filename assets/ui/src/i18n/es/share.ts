import type en from '../en/share';

export default {} satisfies typeof en;
