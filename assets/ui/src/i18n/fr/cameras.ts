import type en from '../en/cameras';

export default {} satisfies typeof en;
