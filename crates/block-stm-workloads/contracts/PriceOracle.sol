// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Prices of tokens in a common unit, posted by a feeder
contract PriceOracle {
    struct Price {
        uint128 value; // units of account per whole token, 18 decimals
        uint64 updatedAt; // seconds since the epoch
    }

    address public feeder;
    mapping(address token => Price price) public prices;

    event PriceUpdated(address indexed token, uint128 value);

    error NotFeeder(address caller);
    error ZeroPrice(address token);

    constructor() {
        feeder = msg.sender;
    }

    function post(address token, uint128 value) external {
        if (msg.sender != feeder) revert NotFeeder(msg.sender);
        if (value == 0) revert ZeroPrice(token);
        prices[token] = Price(value, uint64(block.timestamp));
        emit PriceUpdated(token, value);
    }

    function priceOf(address token) external view returns (uint256 value) {
        value = prices[token].value;
        if (value == 0) revert ZeroPrice(token);
    }
}
