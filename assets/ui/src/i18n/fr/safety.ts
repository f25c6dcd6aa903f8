import type en from '../en/safety';

export default {} satisfies typeof en;
