// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "./Erc20.sol";

/// @title Constant-product market of two tokens; its own token is the share of the liquidity
/// @notice Callers pay first and call afterwards: the pair measures what arrived as its balance minus its
///         reserve. Every trade writes the packed reserves, so trades on one pair depend on one another.
contract Pair is Erc20 {
    /// Shares locked for ever by the first deposit, so that a share can't be made absurdly dear.
    uint256 public constant LOCKED_SHARES = 1000;
    /// The fee is 3 / 1000 of the input.
    uint256 private constant FEE_NUMERATOR = 3;
    uint256 private constant FEE_DENOMINATOR = 1000;

    Erc20 public token0;
    Erc20 public token1;

    // One slot: both reserves and when they were last written.
    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private updatedAt;

    // Sums of price * seconds, as binary fixed point with 112 fractional bits; they wrap around by design.
    uint256 public price0Cumulative;
    uint256 public price1Cumulative;

    bool private entered;

    event Swap(
        address indexed sender, uint256 in0, uint256 in1, uint256 out0, uint256 out1, address indexed to
    );
    event LiquidityAdded(address indexed sender, uint256 amount0, uint256 amount1, uint256 shares);
    event LiquidityRemoved(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Sync(uint112 reserve0, uint112 reserve1);

    error Reentered();
    error NoOutput();
    error NoInput();
    error NoShares();
    error BadRecipient(address to);
    error InsufficientLiquidity();
    error ProductDecreased();
    error ReserveOverflow();
    error TransferFailed();

    modifier once() {
        if (entered) revert Reentered();
        entered = true;
        _;
        entered = false;
    }

    constructor(Erc20 token0_, Erc20 token1_) Erc20("Pair share", "PAIR") {
        token0 = token0_;
        token1 = token1_;
    }

    function reserves() public view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, updatedAt);
    }

    /// @notice Gives shares for the tokens that arrived since the last update.
    function mint(address to) external once returns (uint256 shares) {
        (uint112 held0, uint112 held1,) = reserves();
        uint256 balance0 = token0.balanceOf(address(this));
        uint256 balance1 = token1.balanceOf(address(this));
        uint256 in0 = balance0 - held0;
        uint256 in1 = balance1 - held1;
        uint256 supply = totalSupply;
        if (supply == 0) {
            shares = _sqrt(in0 * in1) - LOCKED_SHARES;
            _mint(address(0), LOCKED_SHARES);
        } else {
            uint256 for0 = in0 * supply / held0;
            uint256 for1 = in1 * supply / held1;
            shares = for0 < for1 ? for0 : for1;
        }
        if (shares == 0) revert NoShares();
        _mint(to, shares);
        _update(balance0, balance1, held0, held1);
        emit LiquidityAdded(msg.sender, in0, in1, shares);
    }

    /// @notice Pays out the shares that were sent to the pair.
    function burn(address to) external once returns (uint256 amount0, uint256 amount1) {
        (uint112 held0, uint112 held1,) = reserves();
        uint256 shares = balanceOf[address(this)];
        uint256 supply = totalSupply;
        amount0 = shares * token0.balanceOf(address(this)) / supply;
        amount1 = shares * token1.balanceOf(address(this)) / supply;
        if (amount0 == 0 || amount1 == 0) revert NoOutput();
        _burn(address(this), shares);
        _pay(token0, to, amount0);
        _pay(token1, to, amount1);
        _update(token0.balanceOf(address(this)), token1.balanceOf(address(this)), held0, held1);
        emit LiquidityRemoved(msg.sender, amount0, amount1, to);
    }

    /// @notice Pays `out0` and `out1`, then checks that what arrived keeps the product after the fee.
    function swap(uint256 out0, uint256 out1, address to) external once {
        if (out0 == 0 && out1 == 0) revert NoOutput();
        (uint112 held0, uint112 held1,) = reserves();
        if (out0 >= held0 || out1 >= held1) revert InsufficientLiquidity();
        if (to == address(token0) || to == address(token1)) revert BadRecipient(to);
        if (out0 > 0) _pay(token0, to, out0);
        if (out1 > 0) _pay(token1, to, out1);

        uint256 balance0 = token0.balanceOf(address(this));
        uint256 balance1 = token1.balanceOf(address(this));
        uint256 in0 = _arrived(balance0, held0 - out0);
        uint256 in1 = _arrived(balance1, held1 - out1);
        if (in0 == 0 && in1 == 0) revert NoInput();
        uint256 net0 = balance0 * FEE_DENOMINATOR - in0 * FEE_NUMERATOR;
        uint256 net1 = balance1 * FEE_DENOMINATOR - in1 * FEE_NUMERATOR;
        if (net0 * net1 < uint256(held0) * held1 * FEE_DENOMINATOR ** 2) revert ProductDecreased();

        _update(balance0, balance1, held0, held1);
        emit Swap(msg.sender, in0, in1, out0, out1, to);
    }

    /// @notice Sets the reserves to the balances.
    function sync() external once {
        (uint112 held0, uint112 held1,) = reserves();
        _update(token0.balanceOf(address(this)), token1.balanceOf(address(this)), held0, held1);
    }

    /// @dev The first update of a block also moves the price sums on.
    function _update(uint256 balance0, uint256 balance1, uint112 held0, uint112 held1) private {
        if (balance0 > type(uint112).max || balance1 > type(uint112).max) revert ReserveOverflow();
        uint32 timestamp = uint32(block.timestamp);
        unchecked {
            uint32 elapsed = timestamp - updatedAt;
            if (elapsed > 0 && held0 != 0 && held1 != 0) {
                price0Cumulative += (uint256(held1) << 112) / held0 * elapsed;
                price1Cumulative += (uint256(held0) << 112) / held1 * elapsed;
            }
        }
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        updatedAt = timestamp;
        emit Sync(reserve0, reserve1);
    }

    function _pay(Erc20 token, address to, uint256 amount) private {
        if (!token.transfer(to, amount)) revert TransferFailed();
    }

    function _arrived(uint256 balance, uint256 expected) private pure returns (uint256) {
        return balance > expected ? balance - expected : 0;
    }

    /// @dev Newton's method from above; `x` is at most the product of two 112-bit numbers.
    function _sqrt(uint256 x) private pure returns (uint256 root) {
        if (x < 2) return x;
        root = x;
        uint256 next = x / 2 + 1;
        while (next < root) {
            root = next;
            next = (x / next + next) / 2;
        }
    }
}
