// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "./Erc20.sol";
import {PriceOracle} from "./PriceOracle.sol";

/// @title Loans of one token against deposits of another
/// @notice Debts are kept divided by a growing index, so interest costs one write per block and pool and not
///         one per borrower. Each call accrues interest and changes a total: calls on one pool depend on one
///         another, as in the pools that people use.
contract LendingPool {
    struct Position {
        uint128 collateral;
        uint128 scaledDebt; // debt / index at the time of borrowing
    }

    uint256 private constant RAY = 1e27;
    uint256 private constant WAD = 1e18;
    /// A position is healthy while debt value <= 80 % of collateral value.
    uint256 public constant LIQUIDATION_THRESHOLD = 0.8e18;
    /// A new loan may go up to 75 % of collateral value.
    uint256 public constant LOAN_TO_VALUE = 0.75e18;
    /// A liquidator gets collateral worth 105 % of what it repays, and repays at most half the debt.
    uint256 public constant LIQUIDATION_BONUS = 1.05e18;
    /// Yearly interest: 2 % plus 20 % times the utilisation.
    uint256 private constant BASE_RATE = 0.02e18;
    uint256 private constant SLOPE = 0.2e18;

    Erc20 public collateralToken;
    Erc20 public debtToken;
    PriceOracle public oracle;

    // One slot: the index and when it was last written.
    uint128 public index;
    uint64 public accruedAt;
    // One slot: totals over all positions.
    uint128 public totalCollateral;
    uint128 public totalScaledDebt;

    mapping(address account => Position position) public positions;

    event Accrued(uint256 index, uint256 rate);
    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Borrowed(address indexed account, uint256 amount);
    event Repaid(address indexed payer, address indexed account, uint256 amount);
    event Liquidated(address indexed liquidator, address indexed account, uint256 repaid, uint256 seized);

    error ZeroAmount();
    error TooLarge(uint256 amount);
    error InsufficientCollateral(uint256 available, uint256 required);
    error InsufficientCash(uint256 available, uint256 required);
    error Unhealthy(address account);
    error Healthy(address account);
    error RepaysTooMuch(uint256 amount, uint256 limit);
    error TransferFailed();

    constructor(Erc20 collateralToken_, Erc20 debtToken_, PriceOracle oracle_) {
        collateralToken = collateralToken_;
        debtToken = debtToken_;
        oracle = oracle_;
        index = uint128(RAY);
        accruedAt = uint64(block.timestamp);
    }

    function deposit(uint256 amount) external {
        accrue();
        uint128 added = _nonzero(amount);
        positions[msg.sender].collateral += added;
        totalCollateral += added;
        _pull(collateralToken, amount);
        emit Deposited(msg.sender, amount);
    }

    function withdraw(uint256 amount) external {
        accrue();
        _takeCollateral(msg.sender, _nonzero(amount));
        if (!_covered(msg.sender, LOAN_TO_VALUE)) revert Unhealthy(msg.sender);
        _push(collateralToken, amount);
        emit Withdrawn(msg.sender, amount);
    }

    function borrow(uint256 amount) external {
        accrue();
        uint256 cash = debtToken.balanceOf(address(this));
        if (cash < amount) revert InsufficientCash(cash, amount);
        uint128 scaled = _nonzero((amount * RAY + index - 1) / index);
        positions[msg.sender].scaledDebt += scaled;
        totalScaledDebt += scaled;
        if (!_covered(msg.sender, LOAN_TO_VALUE)) revert Unhealthy(msg.sender);
        _push(debtToken, amount);
        emit Borrowed(msg.sender, amount);
    }

    /// @notice Pays back at most what the caller owes.
    function repay(uint256 amount) external {
        accrue();
        uint256 owed = debtOf(msg.sender);
        uint256 paid = amount < owed ? amount : owed;
        _reduceDebt(msg.sender, paid, owed);
        _pull(debtToken, paid);
        emit Repaid(msg.sender, msg.sender, paid);
    }

    /// @notice Repays part of an unhealthy position's debt for its collateral at a bonus.
    function liquidate(address account, uint256 amount) external {
        accrue();
        if (_covered(account, LIQUIDATION_THRESHOLD)) revert Healthy(account);
        uint256 owed = debtOf(account);
        if (amount > owed / 2) revert RepaysTooMuch(amount, owed / 2);
        uint256 value = amount * oracle.priceOf(address(debtToken)) / WAD;
        uint256 seized = value * LIQUIDATION_BONUS / oracle.priceOf(address(collateralToken));
        _reduceDebt(account, amount, owed);
        _takeCollateral(account, _nonzero(seized));
        _pull(debtToken, amount);
        _push(collateralToken, seized);
        emit Liquidated(msg.sender, account, amount, seized);
    }

    /// @notice Moves the index on to now. Only the first call of a block writes.
    function accrue() public {
        uint256 elapsed = block.timestamp - accruedAt;
        if (elapsed == 0) return;
        uint256 debt = uint256(totalScaledDebt) * index / RAY;
        uint256 cash = debtToken.balanceOf(address(this));
        uint256 utilisation = debt == 0 ? 0 : debt * WAD / (debt + cash);
        uint256 rate = BASE_RATE + SLOPE * utilisation / WAD;
        index = _narrow(index + uint256(index) * rate * elapsed / (365 days * WAD));
        accruedAt = uint64(block.timestamp);
        emit Accrued(index, rate);
    }

    /// @notice What the account owes at the present index, rounded up.
    function debtOf(address account) public view returns (uint256) {
        return (uint256(positions[account].scaledDebt) * index + RAY - 1) / RAY;
    }

    function _covered(address account, uint256 share) private view returns (bool) {
        uint256 debt = debtOf(account);
        if (debt == 0) return true;
        uint256 owed = debt * oracle.priceOf(address(debtToken)) / WAD;
        uint256 held = positions[account].collateral * oracle.priceOf(address(collateralToken)) / WAD;
        return owed <= held * share / WAD;
    }

    function _reduceDebt(address account, uint256 paid, uint256 owed) private {
        uint128 before = positions[account].scaledDebt;
        uint128 scaled = paid == owed ? before : _narrow(paid * RAY / index);
        if (scaled == 0) revert ZeroAmount();
        positions[account].scaledDebt = before - scaled;
        totalScaledDebt -= scaled;
    }

    function _takeCollateral(address account, uint128 amount) private {
        uint128 available = positions[account].collateral;
        if (available < amount) revert InsufficientCollateral(available, amount);
        positions[account].collateral = available - amount;
        totalCollateral -= amount;
    }

    function _pull(Erc20 token, uint256 amount) private {
        if (!token.transferFrom(msg.sender, address(this), amount)) revert TransferFailed();
    }

    function _push(Erc20 token, uint256 amount) private {
        if (!token.transfer(msg.sender, amount)) revert TransferFailed();
    }

    function _nonzero(uint256 amount) private pure returns (uint128) {
        if (amount == 0) revert ZeroAmount();
        return _narrow(amount);
    }

    function _narrow(uint256 amount) private pure returns (uint128) {
        if (amount > type(uint128).max) revert TooLarge(amount);
        return uint128(amount);
    }
}
