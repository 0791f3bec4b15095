// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "./Erc20.sol";
import {Pair} from "./Pair.sol";

/// @title Entry point to the pairs: quotes, moves the caller's tokens and enforces limits
contract Router {
    address public owner;
    /// The pair of two tokens, entered in both orders.
    mapping(address tokenA => mapping(address tokenB => Pair pair)) public pairOf;

    event PairRegistered(address indexed token0, address indexed token1, Pair pair);

    error NotOwner(address caller);
    error Expired(uint256 deadline, uint256 timestamp);
    error PathTooShort();
    error NoPair(address tokenA, address tokenB);
    error OutputBelowMinimum(uint256 amountOut, uint256 minimum);
    error AmountBelowMinimum(uint256 amount, uint256 minimum);
    error TransferFailed();

    modifier before(uint256 deadline) {
        if (block.timestamp > deadline) revert Expired(deadline, block.timestamp);
        _;
    }

    constructor() {
        owner = msg.sender;
    }

    function register(Pair pair) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        address token0 = address(pair.token0());
        address token1 = address(pair.token1());
        pairOf[token0][token1] = pair;
        pairOf[token1][token0] = pair;
        emit PairRegistered(token0, token1, pair);
    }

    /// @notice Sells exactly `amountIn` of the path's first token for at least `amountOutMin` of its last one.
    function swapExactTokensForTokens(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external before(deadline) returns (uint256[] memory amounts) {
        amounts = quote(amountIn, path);
        uint256 amountOut = amounts[amounts.length - 1];
        if (amountOut < amountOutMin) revert OutputBelowMinimum(amountOut, amountOutMin);
        _pull(path[0], address(_pair(path[0], path[1])), amountIn);
        for (uint256 i = 0; i + 1 < path.length; i++) {
            address receiver = i + 2 < path.length ? address(_pair(path[i + 1], path[i + 2])) : to;
            bool sellsToken0 = path[i] < path[i + 1];
            (uint256 out0, uint256 out1) = sellsToken0 ? (uint256(0), amounts[i + 1]) : (amounts[i + 1], uint256(0));
            _pair(path[i], path[i + 1]).swap(out0, out1, receiver);
        }
    }

    /// @notice Adds liquidity at the present price, at most the desired amounts and at least the minima.
    function addLiquidity(
        address tokenA,
        address tokenB,
        uint256 desiredA,
        uint256 desiredB,
        uint256 minimumA,
        uint256 minimumB,
        address to,
        uint256 deadline
    ) external before(deadline) returns (uint256 amountA, uint256 amountB, uint256 shares) {
        Pair pair = _pair(tokenA, tokenB);
        (amountA, amountB) = _balanced(tokenA, tokenB, desiredA, desiredB);
        if (amountA < minimumA) revert AmountBelowMinimum(amountA, minimumA);
        if (amountB < minimumB) revert AmountBelowMinimum(amountB, minimumB);
        _pull(tokenA, address(pair), amountA);
        _pull(tokenB, address(pair), amountB);
        shares = pair.mint(to);
    }

    /// @notice Turns `shares` of a pair back into its tokens.
    function removeLiquidity(
        address tokenA,
        address tokenB,
        uint256 shares,
        uint256 minimumA,
        uint256 minimumB,
        address to,
        uint256 deadline
    ) external before(deadline) returns (uint256 amountA, uint256 amountB) {
        Pair pair = _pair(tokenA, tokenB);
        _pull(address(pair), address(pair), shares);
        (uint256 amount0, uint256 amount1) = pair.burn(to);
        (amountA, amountB) = tokenA < tokenB ? (amount0, amount1) : (amount1, amount0);
        if (amountA < minimumA) revert AmountBelowMinimum(amountA, minimumA);
        if (amountB < minimumB) revert AmountBelowMinimum(amountB, minimumB);
    }

    /// @notice The amounts along a path when `amountIn` is sold now.
    function quote(uint256 amountIn, address[] calldata path) public view returns (uint256[] memory amounts) {
        if (path.length < 2) revert PathTooShort();
        amounts = new uint256[](path.length);
        amounts[0] = amountIn;
        for (uint256 i = 0; i + 1 < path.length; i++) {
            (uint256 reserveIn, uint256 reserveOut) = _reserves(path[i], path[i + 1]);
            uint256 net = amounts[i] * 997;
            amounts[i + 1] = net * reserveOut / (reserveIn * 1000 + net);
        }
    }

    /// @dev The largest amounts within the desired ones that stand in the ratio of the reserves.
    function _balanced(address tokenA, address tokenB, uint256 desiredA, uint256 desiredB)
        private
        view
        returns (uint256, uint256)
    {
        (uint256 reserveA, uint256 reserveB) = _reserves(tokenA, tokenB);
        if (reserveA == 0 && reserveB == 0) return (desiredA, desiredB);
        uint256 matchingB = desiredA * reserveB / reserveA;
        if (matchingB <= desiredB) return (desiredA, matchingB);
        return (desiredB * reserveA / reserveB, desiredB);
    }

    function _reserves(address tokenA, address tokenB) private view returns (uint256, uint256) {
        (uint112 reserve0, uint112 reserve1,) = _pair(tokenA, tokenB).reserves();
        return tokenA < tokenB ? (reserve0, reserve1) : (reserve1, reserve0);
    }

    function _pair(address tokenA, address tokenB) private view returns (Pair pair) {
        pair = pairOf[tokenA][tokenB];
        if (address(pair) == address(0)) revert NoPair(tokenA, tokenB);
    }

    function _pull(address token, address to, uint256 amount) private {
        if (!Erc20(token).transferFrom(msg.sender, to, amount)) revert TransferFailed();
    }
}
